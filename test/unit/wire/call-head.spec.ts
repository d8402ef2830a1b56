import { describe, expect, it } from 'vitest';

import type { Metadata } from '../../../lib/core/metadata.js';
import { readCallHead, writeCallHead, type CallHead } from '../../../lib/wire/call-head.js';
import { Flag, WIRE_LIMITS, type WireLimits } from '../../../lib/wire/frame.js';
import { errorOf, written } from './support.js';

const BOTH = Flag.PATTERN | Flag.METADATA;

function read(flags: number, bytes: Buffer, limits: WireLimits = WIRE_LIMITS): CallHead {
  const head: CallHead = { remainingMs: 0, pattern: 'stale', metadata: { stale: 'yes' }, bodyAt: 0 };
  readCallHead(flags, bytes, 0, bytes.length, limits, head);
  return head;
}

function write(remainingMs: number, pattern?: string, metadata?: Metadata, limits: WireLimits = WIRE_LIMITS): Buffer {
  return written((writer) => writeCallHead(remainingMs, pattern, metadata, writer, limits));
}

const fromHex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

describe('the head of a call', () => {
  it('is deadline, pattern and metadata, each with its size in front', () => {
    const bytes = write(5_000, 'orders.place', { a: '1', bb: '' });
    expect(bytes.toString('hex')).toBe(
      fromHex('00001388', '000c', '6f72646572732e706c616365', '000a', '01 61 0001 31', '02 6262 0000').toString('hex'),
    );
    expect(read(BOTH, bytes)).toEqual({
      remainingMs: 5_000,
      pattern: 'orders.place',
      metadata: { a: '1', bb: '' },
      bodyAt: bytes.length,
    });
  });

  it('is four bytes where the pattern is known and there is no metadata', () => {
    const bytes = write(1);
    expect(bytes.toString('hex')).toBe('00000001');
    expect(read(0, bytes)).toEqual({ remainingMs: 1, pattern: undefined, metadata: undefined, bodyAt: 4 });
  });

  it('rounds what remains up, and keeps it within 1 and 2³²−1', () => {
    for (const [remaining, onTheWire] of [
      [0.2, 1],
      [-50, 1],
      [1.5, 2],
      [2 ** 40, 0xffff_ffff],
      [Infinity, 0xffff_ffff],
    ] as const) {
      expect(read(0, write(remaining)).remainingMs, `${remaining}`).toBe(onTheWire);
    }
  });

  it('carries any text', () => {
    const metadata = { 'clé-😀': 'значение\u0000\n', ['x'.repeat(255)]: 'y'.repeat(4_000) };
    const head = read(BOTH, write(1, 'møte.*', metadata));
    expect(head.pattern).toBe('møte.*');
    expect({ ...head.metadata }).toEqual(metadata);
  });

  it('gives metadata without a prototype, so that no key reaches one', () => {
    const metadata = JSON.parse('{"__proto__":"x","constructor":"y"}') as Metadata;
    const read_ = read(Flag.METADATA, write(1, undefined, metadata)).metadata!;
    expect(Object.getPrototypeOf(read_)).toBeNull();
    expect(Object.entries(read_)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('distinguishes no metadata from empty metadata', () => {
    expect(read(Flag.METADATA, write(1, undefined, {})).metadata).toEqual({});
    expect(read(0, write(1)).metadata).toBeUndefined();
  });

  it.each<[string, number, Buffer]>([
    ['nothing at all', 0, fromHex('')],
    ['no room for the deadline', 0, fromHex('000001')],
    ['no time left', 0, fromHex('00000000')],
    ['a pattern without a size', Flag.PATTERN, fromHex('00000001', '00')],
    ['an empty pattern', Flag.PATTERN, fromHex('00000001', '0000')],
    ['a pattern that runs over the frame', Flag.PATTERN, fromHex('00000001', '0003', '6161')],
    ['metadata without a size', Flag.METADATA, fromHex('00000001')],
    ['metadata that runs over the frame', Flag.METADATA, fromHex('00000001', '0005', '01 61 0000')],
    ['a metadata key that runs over its block', Flag.METADATA, fromHex('00000001', '0003', '05 61 00')],
    ['a metadata key that fills its block', Flag.METADATA, fromHex('00000001', '0002', '01 61')],
    ['a metadata value that runs over its block', Flag.METADATA, fromHex('00000001', '0004', '01 61 0001', '31')],
    ['an empty metadata key', Flag.METADATA, fromHex('00000001', '0003', '00 0000')],
  ])('costs the connection where it has %s', (_, flags, bytes) => {
    expect(errorOf(() => read(flags, bytes))).toMatchObject({ reason: 'FRAME_MALFORMED' });
  });

  it.each<[string, WireLimits, string]>([
    ['a pattern over this end’s limit', { ...WIRE_LIMITS, maxPatternBytes: 11 }, 'PATTERN_INVALID'],
    ['metadata over this end’s limit of bytes', { ...WIRE_LIMITS, maxMetadataBytes: 9 }, 'METADATA_INVALID'],
    ['metadata over this end’s limit of keys', { ...WIRE_LIMITS, maxMetadataKeys: 1 }, 'METADATA_INVALID'],
  ])('is refused, and may be sent elsewhere, where it is sound but has %s', (_, limits, reason) => {
    const bytes = write(5_000, 'orders.place', { a: '1', bb: '' });
    expect(errorOf(() => read(BOTH, bytes, limits))).toMatchObject({ reason, outcome: 'refused' });
  });

  it('takes exactly its limits', () => {
    const limits = { ...WIRE_LIMITS, maxPatternBytes: 12, maxMetadataBytes: 10, maxMetadataKeys: 2 };
    const bytes = write(5_000, 'orders.place', { a: '1', bb: '' }, limits);
    expect(read(BOTH, bytes, limits).pattern).toBe('orders.place');
  });

  it.each<[string, string | undefined, unknown, string]>([
    ['an empty pattern', '', undefined, 'PATTERN_INVALID'],
    ['a pattern over 256 bytes', 'é'.repeat(129), undefined, 'PATTERN_INVALID'],
    ['a metadata value that is no text', undefined, { a: 1 }, 'METADATA_INVALID'],
    ['an empty metadata key', undefined, { '': 'x' }, 'METADATA_INVALID'],
    ['a metadata key over 255 bytes', undefined, { ['k'.repeat(256)]: 'x' }, 'METADATA_INVALID'],
    [
      'more than 64 keys',
      undefined,
      Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])),
      'METADATA_INVALID',
    ],
    ['a value over 16 KiB', undefined, { a: 'x'.repeat(16_385) }, 'METADATA_INVALID'],
    ['16 KiB over several values', undefined, { a: 'x'.repeat(9_000), b: 'y'.repeat(9_000) }, 'METADATA_INVALID'],
    ['a value whose UTF-8 is over 16 KiB', undefined, { a: '€'.repeat(6_000) }, 'METADATA_INVALID'],
  ])('is not written with %s', (_, pattern, metadata, reason) => {
    expect(errorOf(() => write(1, pattern, metadata as Metadata)).reason).toBe(reason);
  });
});
