import type { Rng } from './random.js';

export interface BackoffOptions {
  /** Upper bound of the first delay, in ms. */
  initialMs: number;
  /** Upper bound of every delay, in ms. */
  maxMs: number;
}

/**
 * Exponential backoff with full jitter: attempt n waits a random time in [0, min(max, initial × 2ⁿ)).
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt 0 for the first wait
 */
export function fullJitter(attempt: number, { initialMs, maxMs }: BackoffOptions, rng: Rng): number {
  return rng() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
}
