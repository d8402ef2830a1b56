import { describe, expect, it } from 'vitest';

import { FloodGuard } from '../../../lib/transport/flood-guard.js';

const LIMITS = { maxPingsPerSecond: 3, maxCancelsPerSecond: 4, maxIdleFramesPerSecond: 5 };

function times(count: number, run: () => void): void {
  for (let index = 0; index < count; index++) run();
}

describe('FloodGuard', () => {
  it.each([
    ['PINGs', 3, 'limits.maxPingsPerSecond', (guard: FloodGuard, at: number) => guard.onPing(at)],
    [
      'frames that lead to nothing',
      5,
      'limits.maxIdleFramesPerSecond',
      (guard: FloodGuard, at: number) => guard.onIdleFrame(at, 0),
    ],
  ] as const)('lets as many %s through in a second as the limit, and in the next one again', (_, limit, name, act) => {
    const guard = new FloodGuard(LIMITS);
    times(limit, () => act(guard, 10_000));
    times(limit, () => act(guard, 11_000));
    expect(() => act(guard, 11_999)).toThrow(name);
  });

  it('takes many cancelled calls, as long as they are not most of the calls', () => {
    const guard = new FloodGuard(LIMITS);
    guard.onCancel(0, 0);
    guard.calls += 20;
    times(9, () => guard.onCancel(500, 0));
    expect(() => guard.onCancel(500, 0)).toThrow('limits.maxCancelsPerSecond');
  });

  it('takes a few cancels, whatever share of the calls they are', () => {
    const guard = new FloodGuard(LIMITS);
    times(4, () => guard.onCancel(0, 0));
    expect(() => guard.onCancel(0, 0)).toThrow(expect.objectContaining({ reason: 'PEER_FLOODED' }));
  });

  it('allows as much more as a silence was long, since what comes after it may have been sent all the while', () => {
    const guard = new FloodGuard(LIMITS);
    times(12, () => guard.onCancel(0, 2_000));
    expect(() => guard.onCancel(0, 2_000)).toThrow('limits.maxCancelsPerSecond');
    times(15, () => guard.onIdleFrame(0, 2_000));
    expect(() => guard.onIdleFrame(0, 2_000)).toThrow('limits.maxIdleFramesPerSecond');
  });
});
