import fc from 'fast-check';

import type { Codec } from '../../../lib/wire/codec.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import type { Draw } from './draw.js';

const writer = new FrameWriter(1 << 26);

export function encoded(codec: Codec, value: unknown): Buffer {
  writer.reset();
  codec.encode(value, writer);
  return Buffer.from(writer.view());
}

const key = fc
  .oneof(fc.constantFrom('id', 'name', 'price', 'tags', 'at', ''), fc.string({ unit: 'binary', maxLength: 80 }))
  .filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
const plainScalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const richScalar = fc.oneof(
  { weight: 4, arbitrary: plainScalar },
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

function tree(scalar: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      { arbitrary: scalar, weight: 2 },
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.array(
        fc.record({ id: scalar, name: scalar, held: tie('tree') }, { requiredKeys: ['id'], noNullPrototype: true }),
        { maxLength: 9 },
      ),
      fc.array(scalar, { maxLength: 40 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).tree;
}

/** Values as JSON has them, and as MessagePack has them. */
export const jsonValue = tree(plainScalar);
export const msgpackValue = tree(richScalar);

/** Bodies that begin well, to be spoilt: large and small, deep and wide; the same in every run, so that a sequence can be repeated alone. */
export function seedBodies(codec: Codec, values: fc.Arbitrary<unknown>): Buffer[] {
  const known: unknown[] = [
    Array.from({ length: 5 }, (_, id) => ({ id, name: `shelf ${id}`, tags: ['gift'], held: { city: 'Zürich' } })),
    Array.from({ length: 8 }, (_, id) => ({ [`k${id % 3}`]: 'x'.repeat(id * 40), '': id })),
    Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`key${index}`, index])),
    [1, -1, 200, -200, 70_000, -70_000, 1e10, 1.5, 'text', 'x'.repeat(40), '日本語', [[[[]]]], { a: { b: { c: {} } } }],
  ];
  const drawn = fc.sample(values, { seed: 1, numRuns: 400 }).filter((value) => value !== undefined);
  return [...known, ...drawn].map((value) => encoded(codec, value)).filter(({ length }) => length < 2_000);
}

/** Bytes that start something, end something, or count. */
export const MSGPACK_TOKENS = [
  0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa1, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc9, 0xca,
  0xcb, 0xcf, 0xd3, 0xd4, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x52, 0x06,
].map((byte) => Buffer.from([byte]));

export const JSON_TOKENS = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\n', '0', '-', '-0', '1e999', '.5', 'null', 'true', '"a":', '""'],
  ...[
    '"__proto__":',
    '"constructor":',
    '"prototype"',
    '"\\u005f_proto__":',
    '\\u',
    '\\ud800',
    '\u0000',
    '\ufeff',
    'é',
    '[[[[[[[[[[',
  ],
].map((text) => Buffer.from(text));

/** Makes broken bodies, in memory that is used again. */
export class BodyMaker {
  private readonly bytes = Buffer.alloc(1 << 16);
  private length = 0;

  constructor(
    private readonly seeds: readonly Buffer[],
    private readonly tokens: readonly Buffer[],
  ) {}

  /** A body as it was encoded, or with one to four changes. */
  make(draw: Draw): Buffer {
    const seed = this.seeds[draw(this.seeds.length)]!;
    this.length = seed.copy(this.bytes);
    if (draw(32) > 0) for (let times = 1 + draw(4); times > 0; times--) this.change(draw);
    return this.bytes.subarray(0, this.length);
  }

  private change(draw: Draw): void {
    const at = draw(this.length + 1);
    switch (draw(7)) {
      case 0:
        this.bytes[at]! ^= 1 << draw(8);
        return;
      case 1:
        return this.overwrite(at, this.tokens[draw(this.tokens.length)]!);
      case 2:
        if (draw(3) === 0) this.length = at;
        return;
      case 3:
        return this.insert(at, this.tokens[draw(this.tokens.length)]!);
      case 4:
        return this.cut(at, Math.min(this.length, at + 1 + draw(8)));
      case 5: {
        const other = this.seeds[draw(this.seeds.length)]!;
        const from = draw(other.length);
        return this.insert(at, other.subarray(from, from + draw(64)));
      }
      default: {
        // Something of its own again: a key twice, a row more.
        const from = draw(this.length);
        return this.insert(at, Buffer.from(this.bytes.subarray(from, Math.min(this.length, from + draw(24)))));
      }
    }
  }

  private overwrite(at: number, part: Buffer): void {
    part.copy(this.bytes, at);
    this.length = Math.max(this.length, at + part.length);
  }

  private insert(at: number, part: Buffer): void {
    this.bytes.copyWithin(at + part.length, at, this.length);
    part.copy(this.bytes, at);
    this.length += part.length;
  }

  private cut(from: number, to: number): void {
    this.bytes.copyWithin(from, to, this.length);
    this.length -= to - from;
  }
}
