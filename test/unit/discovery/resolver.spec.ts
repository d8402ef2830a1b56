import { describe, expect, it } from 'vitest';

import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import { Following, following } from './support/colony.js';
import { order, orders } from './support/instances.js';
import { MemorySnapshots } from './support/memory-snapshots.js';
import { unreachable } from './support/scripted-registry.js';

describe('Resolver', () => {
  it('is pending, and settles with the first list', async () => {
    const follow = following();
    expect(follow.resolver.state).toBe('pending');
    expect(follow.resolver.isSettled).toBe(false);

    follow.registry.list(orders(2));
    await follow.resolver.whenSettled();
    expect(follow.resolver.state).toBe('found');
    expect(follow.servingIds).toEqual(['o1', 'o2']);
    follow.resolver.close();
  });

  it('settles as absent where the registry knows nobody, and does not look at the disk', async () => {
    const snapshots = new MemorySnapshots(orders(2));
    const follow = new Following(following().registry, snapshots);
    follow.registry.list([]);
    await follow.resolver.whenSettled();
    expect(follow.resolver.state).toBe('absent');
    expect(follow.servingIds).toEqual([]);
    expect(snapshots.loads).toBe(0);
    follow.resolver.close();
  });

  it('follows a real registry', async () => {
    const registry = memoryRegistry();
    const follow = new Following(registry);
    await registry.register(order(1));
    await registry.register(order(2, { status: 'starting' }));
    await registry.register(order(3, { weight: 0 }));
    await follow.settle();
    expect(follow.servingIds).toEqual(['o1', 'o3']);
    await registry.register(order(2));
    await follow.settle();
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3']);
    follow.resolver.close();
    await registry.close();
  });

  it('asks for all instances whatever their health, which it judges itself', () => {
    const follow = following();
    expect([...follow.registry.watches.values()][0]!.query).toMatchObject({ healthyOnly: false });
    follow.registry.list([order(1), order(2, { healthy: false }), order(3, { enabled: false })]);
    expect(follow.servingIds).toEqual(['o1']);
    expect(follow.resolver.instances).toHaveLength(3);
    follow.resolver.close();
  });

  it('keeps the last list while the registry fails, and says so once', () => {
    const follow = following();
    follow.registry.list(orders(3));
    for (let times = 0; times < 5; times++) follow.registry.fail();
    follow.clock.advance(600_000);
    expect(follow.resolver.state).toBe('failed');
    expect(follow.resolver.error).toBe(unreachable);
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3']);
    expect(follow.eventsOf('registry-lost')).toMatchObject([{ kept: 3, serviceName: 'orders', registry: 'scripted' }]);

    follow.registry.list(orders(4));
    expect(follow.eventsOf('registry-recovered')).toHaveLength(1);
    expect(follow.resolver.error).toBeUndefined();
    expect(follow.servingIds).toHaveLength(4);
    follow.resolver.close();
  });

  it('counts an answer that is no list as a failure', () => {
    const follow = following();
    follow.registry.list(orders(3));
    follow.registry.say({ state: 'found', instances: '<html>' as never });
    expect(follow.resolver.state).toBe('failed');
    expect(follow.servingIds).toHaveLength(3);
    follow.resolver.close();
  });

  it('stops waiting when the signal aborts', async () => {
    const follow = following();
    const abort = new AbortController();
    const settled = follow.resolver.whenSettled(abort.signal);
    abort.abort(new Error('enough'));
    await expect(settled).rejects.toThrow('enough');
    await expect(follow.resolver.whenSettled(abort.signal)).rejects.toThrow('enough');
    follow.resolver.close();
  });

  it('leaves nothing behind after close, and nobody waiting', async () => {
    const follow = following();
    const settled = follow.resolver.whenSettled();
    follow.registry.list(orders(10));
    follow.resolver.confirmGone('o10');
    follow.registry.list([]);
    const unsettled = following();
    const waiting = unsettled.resolver.whenSettled();
    for (const it of [follow, unsettled]) {
      it.resolver.close();
      it.resolver.close();
      await it.settle();
      expect(it.clock.pending).toBe(0);
      expect(it.registry.watches.size).toBe(0);
    }
    await Promise.all([settled, waiting]);
  });
});

describe('a registry that is away at the start', () => {
  it('is bridged by the last good list on disk', async () => {
    const follow = following({}, orders(3));
    follow.registry.fail();
    await follow.resolver.whenSettled();
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3']);
    expect(follow.resolver.state).toBe('failed');
    expect(follow.eventsOf('snapshot-used')).toMatchObject([{ instances: 3, savedAtMs: 1_700_000_000_000 }]);
    follow.resolver.close();
  });

  it('settles with nothing where there is no list on disk', async () => {
    const follow = following();
    follow.registry.fail();
    await follow.resolver.whenSettled();
    expect(follow.resolver.state).toBe('failed');
    expect(follow.servingIds).toEqual([]);
    follow.resolver.close();
  });

  it('is not waited for longer than 2 s, where it neither answers nor fails', async () => {
    const follow = following({}, orders(3));
    await follow.clock.advanceAsync(1_999);
    expect(follow.resolver.isSettled).toBe(false);
    await follow.clock.advanceAsync(1);
    expect(follow.resolver.isSettled).toBe(true);
    expect(follow.servingIds).toHaveLength(3);

    const blank = following();
    await blank.clock.advanceAsync(60_000);
    expect(blank.resolver.isSettled).toBe(false);
    blank.registry.fail();
    await blank.resolver.whenSettled();
    follow.resolver.close();
    blank.resolver.close();
  });

  it('overrules the disk when it answers while the file is read', async () => {
    const follow = following({}, orders(3));
    follow.registry.fail();
    follow.registry.list([order(9)]);
    await follow.settle();
    expect(follow.servingIds).toEqual(['o9']);
    expect(follow.eventsOf('snapshot-used')).toEqual([]);
    follow.resolver.close();
  });

  it('has records from disk checked like any other', async () => {
    const follow = following({}, [order(1), { ...order(2), port: -1 }, { ...order(3), ip: '169.254.169.254' }, null]);
    follow.registry.fail();
    await follow.resolver.whenSettled();
    expect(follow.servingIds).toEqual(['o1']);
    follow.resolver.close();
  });

  it('has instances from disk probed before they go, when it comes back empty', async () => {
    const follow = following({}, orders(3));
    follow.registry.fail();
    await follow.resolver.whenSettled();
    follow.fates.set('o2', false);
    follow.registry.list([]);
    await follow.settle();
    expect(follow.servingIds).toEqual(['o1', 'o3']);
    follow.resolver.close();
  });
});

describe('the list on disk', () => {
  it('is written after each change, and hourly where nothing changes', async () => {
    const snapshots = new MemorySnapshots();
    const follow = new Following(following().registry, snapshots);
    follow.registry.list(orders(2));
    expect(snapshots.saves).toBe(1);
    await follow.clock.advanceAsync(72 * 60_000);
    expect(snapshots.saves).toBe(2);
    follow.resolver.close();
  });

  it('is not touched by a list from disk, an empty one, or a failure', async () => {
    const snapshots = new MemorySnapshots(orders(2));
    const follow = new Following(following().registry, snapshots);
    follow.registry.fail();
    await follow.resolver.whenSettled();
    expect(snapshots.saves).toBe(0);
    follow.fates.set('o1', false).set('o2', false);
    follow.registry.list([]);
    await follow.settle();
    expect(follow.servingIds).toEqual([]);
    expect([...snapshots.saved.values()].every((list) => list.length > 0)).toBe(true);
    follow.resolver.close();
  });

  it('holds what is held, too: a restart in the middle of an incident starts from all of them', () => {
    const snapshots = new MemorySnapshots();
    const follow = new Following(following().registry, snapshots);
    follow.registry.list(orders(10));
    follow.registry.list(orders(2));
    expect([...snapshots.saved.values()][0]).toHaveLength(10);
    follow.resolver.close();
  });
});
