import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { pause, systemClock } from '../../../lib/core/clock.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';

describe('systemClock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('calls back once, after the time', () => {
    const callback = vi.fn();
    systemClock.after(100, callback);
    vi.advanceTimersByTime(99);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(callback).toHaveBeenCalledOnce();
  });

  it('waits for a month, which setTimeout cannot', () => {
    const callback = vi.fn();
    const days = 86_400_000;
    systemClock.after(60 * days, callback);
    vi.advanceTimersByTime(60 * days - 1);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
  });

  it('cancels on any leg of the way', () => {
    const callback = vi.fn();
    const days = 86_400_000;
    systemClock.after(100, callback).cancel();
    systemClock.after(60 * days, callback).cancel();
    const late = systemClock.after(60 * days, callback);
    vi.advanceTimersByTime(30 * days);
    late.cancel();
    vi.advanceTimersByTime(60 * days);
    expect(callback).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('never goes back, and keeps no process alive', () => {
    vi.useRealTimers();
    const before = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const count = timers();
    const timer = systemClock.after(60_000, () => {});
    expect(timers()).toBe(count);
    timer.cancel();
  });
});

describe('pause', () => {
  it('ends after its time', async () => {
    const clock = new FakeClock();
    const done = vi.fn();
    void pause(clock, 100).then(done);
    await clock.advanceAsync(99);
    expect(done).not.toHaveBeenCalled();
    await clock.advanceAsync(1);
    expect(done).toHaveBeenCalledOnce();
  });

  it('ends at once when the signal aborts, and leaves no timer', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const pausing = pause(clock, 100, controller.signal);
    controller.abort();
    await pausing;
    expect(clock.pending).toBe(0);
    await pause(clock, 100, controller.signal);
    expect(clock.pending).toBe(0);
  });
});
