import { expect } from 'vitest';

import { IS_FULL } from './scale.js';
import { p99BoundMs, type Siege } from './siege.js';
import { longestLifeMs } from './table.js';

const MB = 1024 * 1024;

/**
 * Honest clients noticed nothing: no call failed, none took much longer, and new ones got in. How long they took is not judged where
 * others kept the machine busy in every run; in CI it is all the same.
 */
export function expectUnharmed(siege: Siege): void {
  const { calm, beside, during, isVoid } = siege;
  const { calls, newcomers } = during;
  expect(calls.failed, 'honest calls that failed').toEqual([]);
  expect(newcomers.failed, 'new clients that did not get in').toEqual([]);
  expect(newcomers.count).toBeGreaterThan(10);
  if (isVoid && !IS_FULL) return;
  const before = `${calm.calls.p99Ms} before, ${beside.calls.p99Ms} beside it`;
  expect(calls.p99Ms, `p99 of honest calls, in ms; ${before}`).toBeLessThanOrEqual(p99BoundMs(siege));
}

/** It was cheaper to bear than to do, ten times over. */
export function expectCheap({ serverCpuMs, flood }: Siege): void {
  expect(serverCpuMs, `ms of CPU; the flooder spent ${flood.cpuMs}`).toBeLessThanOrEqual(10 * flood.cpuMs);
}

export function expectGrowthWithin(siege: Siege, megabytes: number): void {
  expect(siege.rssGrowth / MB, 'MB by which the server grew').toBeLessThanOrEqual(megabytes);
}

/** Every connection of the flood that was there for so long was cut, and for one of these reasons. */
export function expectCutWithin(siege: Siege, ms: number, ...reasons: string[]): void {
  const { flood, after } = siege;
  expect(flood.cut, 'connections cut').toBeGreaterThan(0);
  expect(longestLifeMs(siege), 'ms until the last was cut').toBeLessThanOrEqual(ms);
  expect(Math.max(0, ...flood.ages), 'ms for which others had been there at the end').toBeLessThanOrEqual(ms);
  // Those under way when the flood ended were not cut, but left.
  const cut = after.partings.filter(({ address }) => !address.startsWith('127.0.0.1:'));
  const given = new Set(cut.map(({ reason = 'ECONNRESET' }) => reason));
  for (const left of ['ECONNRESET', 'EPIPE']) given.delete(left);
  expect(given).toEqual(new Set(reasons));
}
