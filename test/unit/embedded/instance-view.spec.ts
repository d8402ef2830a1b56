import { describe, expect, it } from 'vitest';

import type { ServiceInstance } from '../../../lib/core/instance.js';
import { InstanceView } from '../../../lib/embedded/instance-view.js';
import type { WatchMessage } from '../../../lib/embedded/registry-protocol.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { order } from './support/stage.js';

const TTL_MS = 15_000;

describe('the view of a service', () => {
  it('is complete with the first whole list', () => {
    const { view, say } = staged();
    expect(view.isComplete).toBe(false);
    say({ reset: true, set: [order('o1')], more: true });
    expect(view.isComplete).toBe(false);
    say({ set: [order('o2')] });
    expect(view.isComplete).toBe(true);
    expect(shown(view)).toEqual(['o1', 'o2']);
  });

  it('says that it changed once per whole message, never in the middle of a list', () => {
    const { changes, say } = staged();
    say({ reset: true, set: [order('o1')], more: true });
    say({ set: [order('o2')], more: true });
    expect(changes()).toBe(0);
    say({ set: [order('o3')] });
    expect(changes()).toBe(1);
  });

  it('follows changes and departures', () => {
    const { view, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2')] });
    say({ set: [order('o2', { weight: 7 }), order('o3')], gone: ['o1'] });
    expect(shown(view)).toEqual(['o2', 'o3']);
    expect([...view.instances].map(({ weight }) => weight)).toEqual([7, 1]);
  });

  it('leaves out records that break the rules', () => {
    const { view, say } = staged();
    const bad = { ...order('o1'), port: 0 };
    say({ reset: true, set: [bad, null as unknown as ServiceInstance, order('o2')] });
    expect(shown(view)).toEqual(['o2']);
  });
});

describe('after the registry restarted', () => {
  it('keeps who was known until everybody had the time to come back', () => {
    const { view, clock, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2')] });
    view.begin('second life');
    say({ reset: true, warmingMs: 9_000, set: [order('o3')] });
    expect(shown(view)).toEqual(['o1', 'o2', 'o3']);
    clock.advance(8_999);
    expect(shown(view)).toEqual(['o1', 'o2', 'o3']);
    clock.advance(1);
    expect(shown(view)).toEqual(['o3']);
  });

  it('believes at once what it says of an instance, and drops the old record', () => {
    const { view, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2'), order('o3')] });
    view.begin('second life');
    say({ reset: true, warmingMs: 9_000, set: [order('o1', { weight: 3 })] });
    say({ set: [order('o2', { healthy: false })], gone: ['o3'] });
    expect([...view.instances].map(({ instanceId, weight, healthy }) => [instanceId, weight, healthy])).toEqual([
      ['o1', 3, true],
      ['o2', 1, false],
    ]);
  });

  it('keeps what is still unconfirmed over a second restart', () => {
    const { view, clock, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2')] });
    view.begin('second life');
    say({ reset: true, warmingMs: 9_000, set: [order('o1')] });
    clock.advance(5_000);
    view.begin('third life');
    say({ reset: true, warmingMs: 9_000, set: [] });
    clock.advance(8_999);
    expect(shown(view)).toEqual(['o1', 'o2']);
    clock.advance(1);
    expect(shown(view)).toEqual([]);
  });

  it('takes the list as it is when the registry has been there long enough', () => {
    const { view, say } = staged();
    say({ reset: true, set: [order('o1')] });
    view.begin('second life');
    say({ reset: true, warmingMs: 0, set: [order('o2')] });
    expect(shown(view)).toEqual(['o2']);
  });

  it('holds nothing for a client that knew nothing', () => {
    const { view, clock, say } = staged();
    say({ reset: true, warmingMs: 9_000, set: [order('o1')] });
    expect(shown(view)).toEqual(['o1']);
    expect(clock.pending).toBe(0);
  });
});

describe('after the connection to the same registry was lost', () => {
  it('does not believe that everybody is unhealthy, as everybody lost its connection, until a lease later', () => {
    const { view, clock, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2')] });
    say({ reset: true, set: [order('o1', { healthy: false }), order('o2', { healthy: false })] });
    expect(health(view)).toEqual([true, true]);
    clock.advance(TTL_MS);
    expect(health(view)).toEqual([false, false]);
  });

  it('believes what it says of an instance from then on', () => {
    const { view, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2')] });
    say({ reset: true, set: [order('o1', { healthy: false }), order('o2', { healthy: false })] });
    say({ set: [order('o1', { healthy: false, weight: 2 })] });
    expect(health(view)).toEqual([false, true]);
    say({ set: [], gone: ['o2'] });
    expect(shown(view)).toEqual(['o1']);
  });

  it('believes that an instance has left, and that one was unhealthy all along', () => {
    const { view, clock, say } = staged();
    say({ reset: true, set: [order('o1'), order('o2', { healthy: false }), order('o3')] });
    say({ reset: true, set: [order('o2', { healthy: false }), order('o3')] });
    expect(shown(view)).toEqual(['o2', 'o3']);
    expect(health(view)).toEqual([false, true]);
    expect(clock.pending).toBe(0);
  });
});

it('leaves no timer behind', () => {
  const { view, clock, say } = staged();
  say({ reset: true, set: [order('o1')] });
  view.begin('second life');
  say({ reset: true, warmingMs: 9_000, set: [] });
  view.close();
  expect(clock.pending).toBe(0);
});

function staged() {
  const clock = new FakeClock();
  let changes = 0;
  const view = new InstanceView({ clock, ttlMs: () => TTL_MS, onChanged: () => changes++ });
  const say = (message: Partial<WatchMessage>) => view.apply({ set: [], gone: [], more: false, ...message });
  view.begin('first life');
  return { view, clock, say, changes: () => changes };
}

function shown(view: InstanceView): string[] {
  return [...view.instances].map(({ instanceId }) => instanceId).toSorted();
}

function health(view: InstanceView): boolean[] {
  return [...view.instances].map(({ healthy }) => healthy);
}
