import { describe, expect, it } from 'vitest';

import { random } from '../../../lib/balancing/random.js';
import { withSlowStart, type SlowStartOptions } from '../../../lib/balancing/slow-start.js';
import { misfit } from './support/chi-square.js';
import { Client, even, instance, instances, RecordingBalancer } from './support/fixture.js';

function client(options?: SlowStartOptions) {
  const inner = new RecordingBalancer();
  return { inner, client: new Client(withSlowStart(() => inner, options)) };
}

/** A client in use for a while, that `new` has just joined. */
function joined(options?: SlowStartOptions) {
  const made = client(options);
  made.client.with(instances(even(2))).pick();
  made.client.clock.advance(60_000);
  made.client.with([...instances(even(2)), instance('new')]).pick();
  return made;
}

function warmthAfter(ms: number, options?: SlowStartOptions): number {
  const { client: it } = joined(options);
  it.clock.advance(ms);
  it.pick();
  return it.get('new').warmth;
}

describe('an endpoint that joins', () => {
  it('rises from a tenth to its full weight in 30 s', () => {
    expect(warmthAfter(0)).toBe(0.1);
    expect(warmthAfter(3_000)).toBeCloseTo(0.1);
    expect(warmthAfter(15_000)).toBeCloseTo(0.5);
    expect(warmthAfter(27_000)).toBeCloseTo(0.9);
    expect(warmthAfter(30_000)).toBe(1);
  });

  it('rises as the options say', () => {
    expect(warmthAfter(0, { minShare: 0.3 })).toBe(0.3);
    expect(warmthAfter(5_000, { window: '10s' })).toBeCloseTo(0.5);
    expect(warmthAfter(7_500, { aggression: 2 })).toBeCloseTo(0.5);
    expect(warmthAfter(15_000, { aggression: 0.5 })).toBeCloseTo(0.25);
  });

  it('leaves the others as they are', () => {
    const { client: it } = joined();
    expect(it.get('a').warmth).toBe(1);
  });

  it('gets calls by its warmth', () => {
    const it = new Client(withSlowStart(random())).with(instances(even(2)));
    it.pick();
    it.clock.advance(1_000);
    it.with([...instances(even(2)), instance('new')]);
    it.clock.advance(15_000);
    const counts = it.calls(60_000);
    expect(misfit(Object.values(counts), [1, 1, 0.5])).toBeLessThan(1);
  });
});

describe('the first list', () => {
  it('is warm: all of it is equally new', () => {
    const { client: it } = client();
    it.with(instances(even(2))).pick();
    expect(it.set.endpoints.map((endpoint) => endpoint.warmth)).toEqual([1, 1]);
  });

  it('is the first that has members', () => {
    const { client: it } = client();
    it.with([]).pick();
    it.clock.advance(60_000);
    it.with(instances(even(2))).pick();
    expect(it.get('a').warmth).toBe(1);
  });
});

describe('the inner balancer', () => {
  it('is shown the weights once a second while somebody warms up, and then no more', () => {
    const { client: it, inner } = joined();
    const before = inner.lists.length;
    for (let ms = 0; ms < 60_000; ms += 50) {
      it.clock.advance(50);
      it.pick();
    }
    expect(inner.lists.length - before).toBe(30);
    expect(inner.list).toEqual(['a', 'b', 'new']);
  });

  it('is shown them no more often than every 100 ms', () => {
    const { client: it, inner } = joined({ window: '300ms' });
    const before = inner.lists.length;
    for (let ms = 0; ms < 1_000; ms += 10) {
      it.clock.advance(10);
      it.pick();
    }
    expect(inner.lists.length - before).toBe(3);
  });

  it('needs no timer', () => {
    const { client: it } = joined();
    expect(it.clock.pending).toBe(0);
  });

  it('hears how calls end, and that all is over', () => {
    const { client: it, inner } = joined();
    it.call('failure');
    it.set.close();
    expect(inner.observed).toEqual(['a failure']);
    expect(inner.isClosed).toBe(true);
  });
});

it('refuses options that make no sense', () => {
  expect(() => client({ window: '1ms' })).toThrow(/balancer\.slowStart\.window/);
  expect(() => client({ minShare: 0 })).toThrow(/balancer\.slowStart\.minShare/);
  expect(() => client({ aggression: 0 })).toThrow(/balancer\.slowStart\.aggression/);
});
