import type { DecodeLimits } from '../../../lib/wire/decode-limits.js';

const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

/** Section 7 of PROTOCOL.md for JSON: what the engine reads, unless it is too much or has a key that reaches a prototype. Throws otherwise. */
export function readJsonNaively(bytes: Buffer, { maxDepth, maxNodes }: DecodeLimits): unknown {
  const text = bytes.toString('utf8');
  const value: unknown = JSON.parse(text);
  const shape = text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '');
  let depth = 0;
  for (const sign of shape) {
    if (sign === '[' || sign === '{') depth++;
    if (sign === ']' || sign === '}') depth--;
    if (depth > maxDepth) throw new Error('too deep');
  }
  if (1 + shape.replaceAll(/[^[{,]/g, '').length > maxNodes) throw new Error('too much');
  assertNoForbiddenKey(value);
  return value;
}

function assertNoForbiddenKey(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, held] of Object.entries(value)) {
    if (FORBIDDEN.includes(key)) throw new Error('a key that reaches a prototype');
    assertNoForbiddenKey(held);
  }
}
