import { describe, expect, it } from 'vitest';

import { memoryRegistry } from '../../../lib/registry/memory-registry.js';
import { following, Following } from './support/colony.js';
import { order, orders } from './support/instances.js';

const HOUR = 3_600_000;

describe('a list that shrinks', () => {
  it('to nothing is held for as long as the instances answer', async () => {
    const follow = following();
    follow.registry.list(orders(5));
    follow.registry.list([]);
    await follow.clock.advanceAsync(600_000);
    expect(follow.resolver.state).toBe('absent');
    expect(follow.servingIds).toHaveLength(5);
    expect(follow.eventsOf('list-held')).toMatchObject([{ listed: 0, held: 5 }]);
    follow.resolver.close();
  });

  it('to nothing is believed at once where all probes are refused', async () => {
    const follow = following();
    follow.registry.list(orders(5));
    for (const { instanceId } of orders(5)) follow.fates.set(instanceId, false);
    follow.registry.list([]);
    await follow.settle();
    expect(follow.servingIds).toEqual([]);
    expect(follow.eventsOf('hold-ended')).toMatchObject([{ dropped: 5 }]);
    expect(follow.clock.pending).toBe(1); // the hourly refresh of the snapshot
    follow.resolver.close();
  });

  it('by 70 % is held, but for those that do not answer', async () => {
    const follow = following();
    follow.registry.list(orders(10));
    follow.fates.set('o7', false).set('o8', false);
    follow.registry.list(orders(3));
    await follow.settle();
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o9', 'o10']);
    follow.resolver.close();
  });

  it('by half or less is believed', () => {
    const follow = following();
    follow.registry.list(orders(10));
    follow.registry.list(orders(5));
    expect(follow.servingIds).toHaveLength(5);
    expect(follow.probes).toEqual([]);
    follow.resolver.close();
  });

  it('one instance after the other is held from half on: so it goes when the registry loses the leases', async () => {
    const follow = following();
    follow.registry.list(orders(10));
    for (let left = 9; left >= 0; left--) {
      await follow.clock.advanceAsync(500);
      follow.registry.list(orders(left));
    }
    await follow.settle();
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3', 'o4', 'o5']);
    follow.resolver.close();
  });

  it('slowly is believed', async () => {
    const follow = following();
    follow.registry.list(orders(10));
    for (const left of [8, 6, 5, 4, 3, 2]) {
      await follow.clock.advanceAsync(61_000);
      follow.registry.list(orders(left));
      expect(follow.servingIds).toHaveLength(left);
    }
    expect(follow.probes).toEqual([]);
    follow.resolver.close();
  });

  it('without a registry that was restarted empty ever being felt', async () => {
    const registry = memoryRegistry();
    const follow = new Following(registry);
    for (const instance of orders(6)) await registry.register(instance);
    await follow.settle();
    for (const instance of orders(6)) await registry.deregister(instance);
    await follow.settle();
    expect(follow.servingIds.length).toBeGreaterThanOrEqual(3);
    for (const instance of orders(6)) await registry.register(instance);
    await follow.settle();
    expect(follow.servingIds).toHaveLength(6);
    expect(follow.eventsOf('hold-ended')).toMatchObject([{ dropped: 0 }]);
    follow.resolver.close();
    await registry.close();
  });
});

describe('what a list is judged against', () => {
  it('is without those that said goodbye', () => {
    const follow = following();
    follow.registry.list(orders(10));
    follow.registry.list(orders(10));
    for (const n of [6, 7, 8, 9, 10]) follow.resolver.confirmGone(`o${n}`);
    follow.registry.list(orders(4));
    expect(follow.servingIds).toEqual(['o1', 'o2', 'o3', 'o4']);
    follow.resolver.close();
  });

  it('is without those whose probes were refused', async () => {
    const follow = following();
    follow.registry.list(orders(10));
    for (let n = 3; n <= 10; n++) follow.fates.set(`o${n}`, false);
    follow.registry.list(orders(2));
    await follow.settle();
    follow.registry.list(orders(1));
    expect(follow.servingIds).toEqual(['o1']);
    follow.resolver.close();
  });
});

describe('a held instance', () => {
  it('is no longer probed once it is listed again', async () => {
    const follow = following();
    follow.registry.list(orders(3));
    follow.registry.list([]);
    await follow.settle();
    follow.registry.list(orders(3));
    const before = follow.probes.length;
    await follow.clock.advanceAsync(HOUR / 2);
    expect(follow.probes).toHaveLength(before);
    expect(follow.servingIds).toHaveLength(3);
    follow.resolver.close();
  });

  it('is probed after 1 s, then ever more rarely, up to every 30 s, each ± 50 %', async () => {
    const follow = following();
    follow.registry.list([order(1)]);
    follow.registry.list([]);
    await follow.clock.advanceAsync(300_000);
    const times = follow.probesOf('o1');
    const waits = times.slice(1).map((atMs, index) => atMs - times[index]!);
    waits.forEach((wait, index) => {
      const middle = Math.min(30_000, 1_000 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(middle * 0.5);
      expect(wait).toBeLessThanOrEqual(middle * 1.5);
    });
    expect(waits.length).toBeGreaterThan(8);
    follow.resolver.close();
  });

  it('goes as soon as a later probe is refused', async () => {
    const follow = following();
    follow.registry.list([order(1)]);
    follow.registry.list([]);
    await follow.clock.advanceAsync(40_000);
    follow.fates.set('o1', false);
    await follow.clock.advanceAsync(45_000);
    expect(follow.servingIds).toEqual([]);
    follow.resolver.close();
  });

  it('goes after 24 h although it answers', async () => {
    const follow = following();
    follow.registry.list([order(1)]);
    follow.registry.list([]);
    await follow.clock.advanceAsync(24 * HOUR - 1);
    expect(follow.servingIds).toEqual(['o1']);
    await follow.clock.advanceAsync(1);
    expect(follow.servingIds).toEqual([]);
    follow.resolver.close();
  });

  it('stays when it cannot be asked', async () => {
    const follow = following();
    follow.fates.set('o1', undefined);
    follow.registry.list([order(1)]);
    follow.registry.list([]);
    await follow.clock.advanceAsync(60_000);
    expect(follow.servingIds).toEqual(['o1']);
    follow.resolver.close();
  });

  it('goes when another process lives at its address', () => {
    const follow = following();
    follow.registry.list([order(1), order(2), order(3)]);
    follow.registry.list([order(1, { instanceId: 'o1-restarted' })]);
    expect(follow.servingIds).toEqual(['o1-restarted', 'o2', 'o3']);
    follow.resolver.close();
  });

  it('goes at once, and is not probed any more, when it says goodbye', async () => {
    const follow = following();
    follow.registry.list(orders(2));
    follow.registry.list([]);
    await follow.settle();
    const before = follow.probes.length;
    follow.resolver.confirmGone('o1');
    follow.resolver.confirmGone('o2');
    expect(follow.servingIds).toEqual([]);
    await follow.clock.advanceAsync(60_000);
    expect(follow.probes).toHaveLength(before);
    expect(follow.eventsOf('hold-ended')).toMatchObject([{ dropped: 2 }]);
    follow.resolver.close();
  });

  it('is not held at all where it took no calls anyway', () => {
    const follow = following();
    follow.registry.list([order(1, { status: 'draining' }), order(2, { enabled: false })]);
    follow.registry.list([]);
    expect(follow.resolver.instances).toEqual([]);
    follow.resolver.close();
  });
});

describe('an instance that says goodbye', () => {
  it('leaves at once, and its absence from the next list raises no doubt', async () => {
    const follow = following();
    follow.registry.list(orders(2));
    follow.resolver.confirmGone('o1');
    follow.resolver.confirmGone('o2');
    expect(follow.servingIds).toEqual([]);
    follow.registry.list([]);
    await follow.settle();
    expect(follow.probes).toEqual([]);
    expect(follow.events).toEqual([]);
    follow.resolver.close();
  });

  it('does not come back by a list that lags behind', () => {
    const follow = following();
    follow.registry.list(orders(3));
    follow.resolver.confirmGone('o1');
    follow.registry.list(orders(4));
    expect(follow.servingIds).toEqual(['o2', 'o3', 'o4']);
    follow.resolver.close();
  });

  it('comes back when it is announced again, or when it is listed still after a minute', async () => {
    const again = following();
    again.registry.list(orders(3));
    again.resolver.confirmGone('o1');
    again.registry.list([order(2), order(3)]);
    again.registry.list(orders(3));
    expect(again.servingIds).toEqual(['o1', 'o2', 'o3']);

    const stubborn = following();
    stubborn.registry.list(orders(3));
    stubborn.resolver.confirmGone('o1');
    await stubborn.clock.advanceAsync(59_999);
    expect(stubborn.servingIds).toEqual(['o2', 'o3']);
    await stubborn.clock.advanceAsync(1);
    expect(stubborn.servingIds).toEqual(['o1', 'o2', 'o3']);
    again.resolver.close();
    stubborn.resolver.close();
  });

  it('does not come back because a registry that is away still had it', async () => {
    const follow = following();
    follow.registry.list(orders(3));
    follow.resolver.confirmGone('o1');
    follow.registry.fail();
    await follow.clock.advanceAsync(600_000);
    expect(follow.servingIds).toEqual(['o2', 'o3']);
    follow.resolver.close();
  });

  it('stays listed where its id is only its address: whoever restarts there has the same', async () => {
    const follow = following();
    const fixed = order(1, { instanceId: '10.0.0.1:4000' });
    follow.registry.list([fixed]);
    follow.resolver.confirmGone(fixed.instanceId);
    follow.registry.list([fixed]);
    expect(follow.serving).toHaveLength(1);
    follow.registry.list([]);
    await follow.settle();
    expect(follow.serving).toEqual([]);
    expect(follow.probes).toEqual([]);
    follow.resolver.close();
  });

  it('means nothing where it is not known', () => {
    const follow = following();
    follow.registry.list(orders(1));
    follow.resolver.confirmGone('nobody');
    expect(follow.servingIds).toEqual(['o1']);
    follow.resolver.close();
  });
});
