import { expect, it } from 'vitest';

import { withZonePreference, type ZonePreferenceOptions } from '../../../lib/balancing/zone-preference.js';
import type { ServiceInstance } from '../../../lib/core/instance.js';
import { Client, instance, RecordingBalancer } from './support/fixture.js';

function client(zone: string | undefined, options?: ZonePreferenceOptions) {
  const inner = new RecordingBalancer();
  return {
    inner,
    client: new Client(
      withZonePreference(() => inner, options),
      { zone },
    ),
  };
}

/** `zoned({ x: 2, y: 1 })` is x0, x1, y0; `_` is no zone. */
function zoned(counts: Record<string, number>, weight = 1): ServiceInstance[] {
  return Object.entries(counts).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, index) =>
      instance(`${zone}${index}`, { weight, ...(zone === '_' ? {} : { zone }) }),
    ),
  );
}

it.each([
  { zones: { x: 2, y: 2, z: 2 }, list: 'x0 x1', why: 'the own zone has its share' },
  { zones: { x: 2, y: 5, z: 5 }, list: 'x0 x1', why: 'the own zone has half of its share' },
  { zones: { x: 1, y: 4, z: 4 }, list: 'x0 y0 y1 y2 y3 z0 z1 z2 z3', why: 'the own zone would be crushed' },
  { zones: { y: 1, z: 1 }, list: 'y0 z0', why: 'there is nobody at home' },
  { zones: { x: 2 }, list: 'x0 x1', why: 'there is one zone' },
  { zones: { _: 2 }, list: '_0 _1', why: 'the service has no zones' },
  { zones: { x: 1, _: 1 }, list: 'x0', why: 'those without a zone are somewhere else' },
])('uses $list of $zones, for $why', ({ zones, list }) => {
  const { client: it, inner } = client('x');
  it.with(zoned(zones)).pick();
  expect(inner.list.join(' ')).toBe(list);
});

it('weighs endpoints instead of counting them', () => {
  const { client: it, inner } = client('x');
  it.with([...zoned({ x: 3 }, 0.1), ...zoned({ y: 3 })]).pick();
  expect(inner.list).toHaveLength(6);
  it.with([...zoned({ x: 1 }, 10), ...zoned({ y: 9 })]).pick();
  expect(inner.list).toEqual(['x0']);
});

it('lets calls leave the zone while it is weak, and brings them back', () => {
  const { client: it, inner } = client('x');
  it.with(zoned({ x: 4, y: 4 })).pick();
  expect(inner.list).toHaveLength(4);
  for (const name of ['x0', 'x1', 'x2']) it.set.setReachable(it.get(name), false);
  it.pick();
  expect(inner.list).toEqual(['x3', 'y0', 'y1', 'y2', 'y3']);
  it.set.setReachable(it.get('x0'), true);
  it.pick();
  expect(inner.list).toEqual(['x0', 'x3']);
});

it('sends a call abroad that failed at everybody at home', () => {
  const { client: it } = client('x');
  it.with(zoned({ x: 2, y: 2 }));
  const home = [it.get('x0'), it.get('x1')];
  expect(it.pick(home)).toMatch(/^y/);
  expect(it.pick([...home, it.get('y0')])).toBe('y1');
  expect(it.pick([...it.set.endpoints])).toBeUndefined();
});

it('knows how much a zone must hold', () => {
  const { client: it, inner } = client('x', { minShare: 1 });
  it.with(zoned({ x: 2, y: 3 })).pick();
  expect(inner.list).toHaveLength(5);
  const never = client('x', { minShare: 0 });
  never.client.with(zoned({ x: 1, y: 30 })).pick();
  expect(never.inner.list).toEqual(['x0']);
  never.client.with(zoned({ y: 2 })).pick();
  expect(never.inner.list).toEqual(['y0', 'y1']);
});

it('does not stand in the way of a caller without a zone', () => {
  const { client: it, inner } = client(undefined);
  it.with(zoned({ x: 2, y: 2 })).pick();
  expect(it.balancer).toBe(inner);
});

it('passes on how calls end, and that all is over', () => {
  const { client: it, inner } = client('x');
  it.with(zoned({ x: 1, y: 1 })).call();
  it.set.close();
  expect(inner.observed).toEqual(['x0 success']);
  expect(inner.isClosed).toBe(true);
});

it('refuses options that make no sense', () => {
  expect(() => client('x', { minShare: 2 })).toThrow(/balancer\.zonePreference\.minShare/);
});
