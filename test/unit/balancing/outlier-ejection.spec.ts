import { describe, expect, it } from 'vitest';

import { withOutlierEjection, type OutlierEjectionOptions } from '../../../lib/balancing/outlier-ejection.js';
import { Client, even, instances, RecordingBalancer } from './support/fixture.js';

function client(members: number, options?: OutlierEjectionOptions) {
  const inner = new RecordingBalancer();
  const it = new Client(withOutlierEjection(() => inner, options)).with(instances(even(members)));
  it.pick();
  return { inner, client: it };
}

const ejected = ({ set }: Client) => set.endpoints.filter((endpoint) => endpoint.isEjected).map((it) => it.instanceId);

describe('an endpoint that fails', () => {
  it('is ejected at the fifth failure in a row', () => {
    const { client: it, inner } = client(4);
    it.fail('b', 4);
    expect(ejected(it)).toEqual([]);
    it.fail('b', 1);
    expect(ejected(it)).toEqual(['b']);
    expect(inner.list).toEqual(['a', 'c', 'd']);
  });

  it('is not ejected where a success is among the failures', () => {
    const { client: it } = client(4);
    it.fail('a', 4);
    it.call('success');
    it.fail('a', 4);
    expect(ejected(it)).toEqual([]);
  });

  it('is not ejected for calls that were cancelled', () => {
    const { client: it } = client(4);
    it.calls(20, 'cancelled');
    expect(ejected(it)).toEqual([]);
  });

  it('comes back after 30 s, when a call is made', () => {
    const { client: it, inner } = client(4);
    it.fail('b', 5);
    it.clock.advance(29_999);
    it.pick();
    expect(inner.list).toEqual(['a', 'c', 'd']);
    it.clock.advance(1);
    it.pick();
    expect(inner.list).toEqual(['a', 'b', 'c', 'd']);
    expect(ejected(it)).toEqual([]);
  });

  it('is not ejected twice by calls that were under way', () => {
    const { client: it } = client(4);
    it.fail('b', 5);
    it.clock.advance(10_000);
    it.fail('b', 5);
    expect(it.get('b').timesEjected).toBe(1);
    it.clock.advance(20_000);
    it.pick();
    expect(ejected(it)).toEqual([]);
  });
});

describe('an endpoint that was ejected', () => {
  /** Fails `b` as often as it takes, and says how long it is out. */
  function ejectionMs(it: Client, failures: number): number {
    it.fail('b', failures);
    const endpoint = it.get('b');
    expect(endpoint.isEjected).toBe(true);
    const lengthMs = endpoint.ejectedUntilMs - it.clock.now();
    it.clock.advance(lengthMs);
    it.pick();
    expect(endpoint.isEjected).toBe(false);
    return lengthMs;
  }

  it('is on probation: one failure ejects it again, each time for longer, up to 300 s', () => {
    const { client: it } = client(4);
    expect(ejectionMs(it, 5)).toBe(30_000);
    expect(ejectionMs(it, 1)).toBe(60_000);
    for (let times = 3; times <= 10; times++) ejectionMs(it, 1);
    expect(ejectionMs(it, 1)).toBe(300_000);
  });

  it('is off probation with its first success', () => {
    const { client: it } = client(4);
    ejectionMs(it, 5);
    const endpoint = it.get('b');
    endpoint.inFlight++;
    it.done(endpoint, 'success');
    it.fail('b', 4);
    expect(endpoint.isEjected).toBe(false);
    it.fail('b', 1);
    expect(endpoint.isEjected).toBe(true);
  });

  it('is not ejected again for a call that was cancelled', () => {
    const { client: it } = client(4);
    ejectionMs(it, 5);
    const endpoint = it.get('b');
    endpoint.inFlight++;
    it.done(endpoint, 'cancelled');
    expect(endpoint.isEjected).toBe(false);
  });

  it('has one ejection forgotten for each 30 s that it serves', () => {
    const { client: it } = client(4);
    ejectionMs(it, 5);
    ejectionMs(it, 1);
    ejectionMs(it, 1);
    it.clock.advance(65_000);
    expect(ejectionMs(it, 1)).toBe(60_000);
    it.clock.advance(3_600_000);
    expect(ejectionMs(it, 1)).toBe(30_000);
  });

  it('stays ejected while it cannot be reached and when the list changes', () => {
    const { client: it, inner } = client(4);
    it.fail('b', 5);
    it.set.setReachable(it.get('b'), false);
    it.pick();
    it.set.setReachable(it.get('b'), true);
    it.with(instances(even(6))).pick();
    expect(inner.list).toEqual(['a', 'c', 'd', 'e', 'f']);
    it.clock.advance(30_000);
    it.pick();
    expect(inner.list).toHaveLength(6);
  });

  it('comes back with the list where its time ran out while it could not be reached', () => {
    const { client: it, inner } = client(4);
    it.fail('b', 5);
    it.set.setReachable(it.get('b'), false);
    it.pick();
    it.clock.advance(40_000);
    it.set.setReachable(it.get('b'), true);
    it.pick();
    expect(inner.list).toHaveLength(4);
  });

  it('gets a call that failed at all others', () => {
    const { client: it } = client(3);
    it.fail('b', 5);
    expect(it.pick([it.get('a'), it.get('c')])).toBe('b');
    expect(it.pick([...it.set.endpoints])).toBeUndefined();
  });
});

describe('how many are ejected', () => {
  it.each([
    { members: 1, most: 0 },
    { members: 2, most: 1 },
    { members: 3, most: 1 },
    { members: 9, most: 4 },
    { members: 10, most: 1 },
    { members: 25, most: 2 },
  ])('is at most $most of $members', ({ members, most }) => {
    const { client: it, inner } = client(members);
    for (const endpoint of it.set.endpoints) it.fail(endpoint.instanceId, 9);
    expect(ejected(it)).toHaveLength(most);
    expect(inner.list).toHaveLength(members - most);
  });

  it('is what the options say, but never all, and one of several at least', () => {
    const all = client(4, { maxEjectedShare: 1, panicThreshold: 0 });
    for (const endpoint of all.client.set.endpoints) all.client.fail(endpoint.instanceId, 9);
    expect(ejected(all.client)).toHaveLength(3);
    expect(all.inner.list).toHaveLength(1);
    const few = client(4, { maxEjectedShare: 0.01 });
    for (const endpoint of few.client.set.endpoints) few.client.fail(endpoint.instanceId, 9);
    expect(ejected(few.client)).toHaveLength(1);
  });

  it('makes room when one comes back', () => {
    const { client: it } = client(2);
    it.fail('a', 5);
    it.fail('b', 5);
    expect(ejected(it)).toEqual(['a']);
    it.clock.advance(30_000);
    it.pick();
    it.fail('b', 1);
    expect(ejected(it)).toEqual(['b']);
  });
});

describe('when fewer than half are left', () => {
  it('all are used, until enough are back', () => {
    const { client: it, inner } = client(4, { maxEjectedShare: 0.75 });
    it.fail('a', 5);
    it.clock.advance(10_000);
    for (const name of ['b', 'c']) it.fail(name, 5);
    expect(ejected(it)).toEqual(['a', 'b', 'c']);
    expect(inner.list).toEqual(['a', 'b', 'c', 'd']);
    it.clock.advance(20_000);
    it.pick();
    expect(inner.list).toEqual(['a', 'd']);
  });

  it('all are used because the healthy ones left', () => {
    const { client: it, inner } = client(4);
    for (const name of ['a', 'b']) it.fail(name, 5);
    it.with(instances(even(4)).slice(0, 3)).pick();
    expect(inner.list).toEqual(['a', 'b', 'c']);
  });

  it('is known to be no help where the last one left is ejected', () => {
    const { client: it, inner } = client(2, { panicThreshold: 0 });
    it.fail('a', 5);
    it.with(instances(even(1))).pick();
    expect(inner.list).toEqual(['a']);
  });
});

it('needs no timer', () => {
  const { client: it } = client(4);
  it.fail('a', 5);
  expect(it.clock.pending).toBe(0);
});

it('passes on how calls end, and that all is over', () => {
  const { client: it, inner } = client(4);
  it.call('failure');
  it.set.close();
  expect(inner.observed).toEqual(['a failure']);
  expect(inner.isClosed).toBe(true);
});

it('refuses options that make no sense', () => {
  expect(() => client(1, { consecutiveFailures: 0 })).toThrow(/balancer\.outlierEjection\.consecutiveFailures/);
  expect(() => client(1, { baseEjection: 'long' })).toThrow(/balancer\.outlierEjection\.baseEjection/);
  expect(() => client(1, { maxEjection: -1 })).toThrow(/balancer\.outlierEjection\.maxEjection/);
  expect(() => client(1, { maxEjectedShare: 1.1 })).toThrow(/balancer\.outlierEjection\.maxEjectedShare/);
  expect(() => client(1, { panicThreshold: 2 })).toThrow(/balancer\.outlierEjection\.panicThreshold/);
});
