import { describe, expect, it } from 'vitest';

import { PeakEwma } from '../../../lib/core/ewma.js';

const DECAY_MS = 10_000;

describe('PeakEwma', () => {
  it('is nothing before the first sample, and the first sample then', () => {
    const ewma = new PeakEwma(DECAY_MS);
    expect([ewma.value, ewma.hasSamples]).toEqual([0, false]);
    ewma.add(30, 1_000);
    expect([ewma.value, ewma.hasSamples, ewma.updatedAtMs]).toEqual([30, true, 1_000]);
  });

  it('takes a first sample of nothing for a sample', () => {
    const ewma = new PeakEwma(DECAY_MS);
    ewma.add(0, 5);
    expect([ewma.value, ewma.hasSamples]).toEqual([0, true]);
  });

  it('rises to a peak at once', () => {
    const ewma = after(10);
    ewma.add(500, 1);
    expect(ewma.value).toBe(500);
  });

  it('forgets a peak by 1/e in the decay time', () => {
    const ewma = after(1_000);
    ewma.add(0, DECAY_MS);
    expect(ewma.value).toBeCloseTo(1_000 / Math.E, 6);
  });

  it('comes to rest at a steady latency', () => {
    const ewma = after(1_000);
    for (let now = 100; now <= 100_000; now += 100) ewma.add(20, now);
    expect(ewma.value).toBeCloseTo(20, 0);
  });

  it('learns nothing from a lower sample in no time, nor from a clock that went back', () => {
    const ewma = after(100);
    ewma.add(10, 0);
    ewma.add(10, -5_000);
    expect(ewma.value).toBe(100);
  });

  function after(sample: number): PeakEwma {
    const ewma = new PeakEwma(DECAY_MS);
    ewma.add(sample, 0);
    return ewma;
  }
});
