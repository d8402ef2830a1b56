/** Handle of a pending timer. */
export interface Timer {
  cancel(): void;
}

/** Time as policies see it: monotonic, in milliseconds, replaceable in tests (`FakeClock` of `nestjs-rookery/testing`). */
export interface Clock {
  /** Milliseconds of a clock that never goes back and knows no wall time. */
  now(): number;
  /** Calls back once after `delayMs`; never keeps the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    if (delayMs > MAX_TIMEOUT_MS) return afterInLegs(delayMs, callback);
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** What `setTimeout` can count; beyond (24.8 days) it would fire after 1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function afterInLegs(delayMs: number, callback: () => void): Timer {
  let leg = systemClock.after(MAX_TIMEOUT_MS, () => {
    leg = systemClock.after(delayMs - MAX_TIMEOUT_MS, callback);
  });
  return { cancel: () => leg.cancel() };
}

/** Resolves after `delayMs`, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
    function done() {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
