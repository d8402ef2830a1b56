/** CI runs the floods as they are promised; elsewhere they are smaller and shorter, with the limits' times cut down alike. */
export const IS_FULL = process.env['CI'] !== undefined && process.env['CI'] !== 'false';

export function atScale(full: number, small: number): number {
  return IS_FULL ? full : small;
}

/** Times of the limits, in ms: the defaults in CI. */
export const TIMES = IS_FULL
  ? { helloTimeoutMs: 5_000, frameTimeoutMs: 10_000, sendStallMs: 10_000 }
  : { helloTimeoutMs: 1_000, frameTimeoutMs: 2_000, sendStallMs: 2_000 };
