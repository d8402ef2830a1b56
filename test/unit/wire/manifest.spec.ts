import { describe, expect, it } from 'vitest';

import {
  decodeManifest,
  encodeManifest,
  MAX_MANIFEST_ENTRIES,
  type ManifestEntry,
} from '../../../lib/wire/manifest.js';
import { errorOf } from './support.js';

const ENTRIES: ManifestEntry[] = [
  { pattern: 'orders.place', kind: 'message', idempotent: false, timeoutMs: undefined },
  { pattern: 'orders.get', kind: 'message', idempotent: true, timeoutMs: 800 },
  { pattern: 'order.placed', kind: 'event', idempotent: false, timeoutMs: undefined },
];

describe('a MANIFEST', () => {
  it('is what it was, after the wire', () => {
    expect(decodeManifest(encodeManifest(ENTRIES))).toEqual(ENTRIES);
    expect(decodeManifest(encodeManifest([]))).toEqual([]);
  });

  it('carries nothing of a handler but its declarations', () => {
    const handlers = [{ ...ENTRIES[1]!, handle: () => 'secret', note: 'secret' }];
    expect(encodeManifest(handlers).toString()).toBe(
      '{"patterns":[{"pattern":"orders.get","kind":"message","idempotent":true,"timeoutMs":800}]}',
    );
  });

  it('holds as many entries, from the first on, as fit the peer’s frame, so that indexes stay what they are', () => {
    const many = Array.from({ length: 1_000 }, (_, index): ManifestEntry => ({
      pattern: `münze.${index}`,
      kind: 'message',
    }));
    for (const limit of [15, 16, 100, 16_384, 1_000_000]) {
      const bytes = encodeManifest(many, limit);
      const read = decodeManifest(bytes);
      expect(bytes.length).toBeLessThanOrEqual(Math.max(limit, '{"patterns":[]}'.length));
      expect(read.map(({ pattern }) => pattern)).toEqual(many.slice(0, read.length).map(({ pattern }) => pattern));
      if (limit === 16_384) expect(read.length).toBeGreaterThan(300);
    }
  });

  it('never holds more entries than indexes have room for', () => {
    const many = Array.from({ length: MAX_MANIFEST_ENTRIES + 10 }, (_, index): ManifestEntry => ({
      pattern: `p${index}`,
      kind: 'event',
    }));
    expect(decodeManifest(encodeManifest(many))).toHaveLength(MAX_MANIFEST_ENTRIES);
    const tooMany = Buffer.from(JSON.stringify({ patterns: many }));
    expect(errorOf(() => decodeManifest(tooMany)).reason).toBe('FRAME_MALFORMED');
  });

  it('ignores what it does not know, and declarations that make no sense', () => {
    const text = JSON.stringify({
      since: 3,
      patterns: [{ pattern: 'a', kind: 'message', idempotent: 'yes', timeoutMs: -1, cost: 7 }],
    });
    expect(decodeManifest(Buffer.from(text))).toEqual([
      { pattern: 'a', kind: 'message', idempotent: false, timeoutMs: undefined },
    ]);
  });

  it.each([
    '',
    '[]',
    '{}',
    '{"patterns":{}}',
    '{"patterns":[null]}',
    '{"patterns":["a"]}',
    '{"patterns":[{"pattern":"a"}]}',
    '{"patterns":[{"pattern":"a","kind":"stream"}]}',
    '{"patterns":[{"pattern":1,"kind":"event"}]}',
  ])('is refused where it is %j', (text) => {
    expect(errorOf(() => decodeManifest(Buffer.from(text))).reason).toBe('FRAME_MALFORMED');
  });
});
