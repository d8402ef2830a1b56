import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { AddressPolicy } from '../../../lib/discovery/address-policy.js';
import { RecordFilter } from '../../../lib/discovery/record-filter.js';
import { following } from './support/colony.js';
import { order, orders } from './support/instances.js';
import { poisonedRecords } from './support/poison.js';

const filter = (maxInstances = 5_000) => new RecordFilter('orders', new AddressPolicy(), maxInstances);

describe('a poisoned record', () => {
  const poison = poisonedRecords(order(9));

  it('comes in more than 200 kinds', () => {
    expect(poison.length).toBeGreaterThan(200);
  });

  it.each(poison)('is dropped alone: %s', (_name, record) => {
    const { instances, refused, refusals } = filter().apply([order(1), record, order(2)]);
    expect([...instances.keys()]).toEqual(['o1', 'o2']);
    expect(refused).toBe(1);
    expect(refusals[0]!.problem).not.toBe('');
    expect(refusals[0]!.problem.length).toBeLessThanOrEqual(200);
    expect(refusals[0]!.instance.length).toBeLessThanOrEqual(200);
  });

  it('does no harm in company either', () => {
    const follow = following();
    const mixed = poison.flatMap(([, record], index) => [record, order(100 + index)]);
    follow.registry.list([...mixed, ...orders(3)]);
    expect(follow.serving).toHaveLength(poison.length + 3);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('admin');
    follow.resolver.close();
  });

  it('is found whatever it is made of', () => {
    const field = fc.constantFrom(...Object.keys(order(1)));
    const change = fc.tuple(field, fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }));
    fc.assert(
      fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), (changes) => {
        const records = changes.map((change, index) => ({ ...order(index + 10), ...Object.fromEntries(change) }));
        const { instances } = filter().apply([order(1), ...records, order(2)]);
        expect(instances.has('o1') && instances.has('o2')).toBe(true);
        for (const instance of instances.values()) expect(Object.isFrozen(instance)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('of 10 MB is refused within 50 ms', () => {
    const big = 'x'.repeat(10_000_000);
    const records = [
      { ...order(9), ip: big },
      { ...order(9), instanceId: big },
      { ...order(9), metadata: { zone: big } },
      { ...order(9), metadata: { [big]: 'x' } },
      { ...order(9), tags: [big] },
      { ...order(9), tags: Array.from({ length: 2_500_000 }, () => 'abcd') },
      { ...order(9), status: big },
      { ...order(9), port: JSON.parse(`[${'1,'.repeat(5_000_000)}1]`) as unknown },
    ];
    for (const record of records) {
      const startedAt = performance.now();
      const { refused } = filter().apply([record]);
      expect(performance.now() - startedAt).toBeLessThan(50);
      expect(refused).toBe(1);
    }
  });

  it('costs an update of thousands of instances no more than a moment', () => {
    const list = orders(5_000);
    const startedAt = performance.now();
    expect(filter().apply(list).instances.size).toBe(5_000);
    expect(performance.now() - startedAt).toBeLessThan(250);
  });
});

describe('a good record', () => {
  it('is kept as it is where it is frozen, and copied without the unknown where it is not', () => {
    const frozen = order(1);
    const talkative = Object.freeze({ ...order(3), secret: 'x' });
    const loose = { ...order(2), metadata: { zone: 'a' }, secret: 'x'.repeat(10_000) };
    const { instances } = filter().apply([frozen, loose, talkative]);
    expect(instances.get('o1')).toBe(frozen);
    expect(instances.get('o2')).not.toHaveProperty('secret');
    expect(instances.get('o3')).toEqual(order(3));
    loose.metadata.zone = 'b';
    expect(instances.get('o2')!.metadata).toEqual({ zone: 'a' });
  });

  it('beyond the limit of a service is refused, the same ones in whatever order they come', () => {
    const list = orders(12);
    const { instances, refused, refusals } = filter(10).apply(list.toReversed());
    expect(instances.size).toBe(10);
    expect([...instances.keys()]).toEqual([...filter(10).apply(list).instances.keys()]);
    expect(refused).toBe(2);
    expect(refusals[0]!.problem).toContain('discovery.maxInstances');
  });
});

describe('the report of refused records', () => {
  const bad = (n: number) => ({ ...order(n), port: 0 });

  it('names each once, however often the registry repeats it', async () => {
    const follow = following();
    for (let times = 0; times < 5; times++) {
      follow.registry.list([order(1), bad(2)]);
      await follow.clock.advanceAsync(60_000);
    }
    expect(follow.eventsOf('records-refused')).toMatchObject([
      { count: 1, examples: [{ instance: 'o2', problem: expect.stringContaining('port') }] },
    ]);
    follow.resolver.close();
  });

  it('comes at most every 10 s, with at most 5 examples', async () => {
    const follow = following();
    for (let second = 0; second < 30; second++) {
      follow.registry.list([order(1), ...orders(20).map((_, index) => bad(1_000 * second + index + 2))]);
      await follow.clock.advanceAsync(1_000);
    }
    const reports = follow.eventsOf('records-refused');
    expect(reports).toHaveLength(3);
    expect(reports[0]).toMatchObject({ count: 20 });
    expect(reports[0]!.examples).toHaveLength(5);
    follow.resolver.close();
  });

  it('keeps log lines whole', () => {
    const { refusals } = filter().apply([{ ...order(1), instanceId: 'a\nERROR all is lost' }]);
    expect(refusals[0]!.instance).toBe('a?ERROR all is lost');
  });
});
