import type { Clock } from '../core/clock.js';

/** What the promise gives, or a rejection with `late()` where it takes longer than `ms`. No timer outlives it. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(late()));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
