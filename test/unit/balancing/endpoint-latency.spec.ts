import { expect, it } from 'vitest';

import { EndpointLatency } from '../../../lib/balancing/endpoint-latency.js';

function after(samples: readonly (readonly [ms: number, atMs: number])[]): number {
  const latency = new EndpointLatency();
  for (const [ms, atMs] of samples) latency.add(ms, atMs);
  return latency.value;
}

it('rises to a peak at once and falls with time, while samples are frequent', () => {
  expect(
    after([
      [1, 0],
      [100, 100],
    ]),
  ).toBe(100);
  expect(
    after([
      [100, 0],
      [0, 100],
    ]),
  ).toBeCloseTo(100 * Math.exp(-0.01), 9);
});

it('falls by half at least with the first sample after a silence', () => {
  expect(
    after([
      [100, 0],
      [10, 600],
    ]),
  ).toBe(55);
  expect(
    after([
      [100, 0],
      [10, 600],
      [10, 700],
    ]),
  ).toBeGreaterThan(54);
});

it('falls by more after a long silence', () => {
  expect(
    after([
      [100, 0],
      [0, 60_000],
    ]),
  ).toBeCloseTo(100 * Math.exp(-6), 9);
});

it('rises as ever after a silence', () => {
  expect(
    after([
      [10, 0],
      [100, 600],
    ]),
  ).toBe(100);
});

it('is not known before a call has succeeded', () => {
  const latency = new EndpointLatency();
  latency.addFailure(5, 0);
  expect(latency.hasSamples).toBe(false);
});

it('can be raised by a failure, not lowered', () => {
  const latency = new EndpointLatency();
  latency.add(20, 0);
  latency.addFailure(0.1, 5_000);
  expect(latency.value).toBe(20);
  latency.addFailure(900, 6_000);
  expect(latency.value).toBe(900);
});
