/** What decoding one body may cost, whoever sent it. */
export interface DecodeLimits {
  /** Arrays and objects inside one another. @default 64 */
  maxDepth: number;
  /** Values in all, those inside rows included. @default 100,000 */
  maxNodes: number;
}

export const DECODE_LIMITS: Readonly<DecodeLimits> = { maxDepth: 64, maxNodes: 100_000 };

/** Keys that reach into an object's prototype when a receiver merges or assigns them; neither written nor read. */
export function isForbiddenKey(key: string): boolean {
  return key === '__proto__' || key === 'constructor' || key === 'prototype';
}
