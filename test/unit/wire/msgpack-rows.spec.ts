import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { arriving, decoded, encoded, keysInOrder, tripped } from './msgpack-trip.js';

const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ minLength: 200, maxLength: 300 }),
  fc.constantFrom('gift', 'bulky', ''),
);
const key = fc
  .oneof(fc.constantFrom('id', 'name', 'price', 'é', ''), fc.nat(12).map(String), fc.string({ unit: 'binary' }))
  .filter((key) => !FORBIDDEN.includes(key));
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);

/** Objects of a few shapes: the same keys, some missing, some more, in another order; and now and then something else. */
function rowsOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  return fc.uniqueArray(key, { maxLength: 6 }).chain((keys) => {
    const like = fc.tuple(...keys.map(() => value)).map((values) => objectOf(keys, values));
    const some = fc
      .tuple(fc.subarray(keys), fc.array(value, { minLength: 6, maxLength: 6 }))
      .map(([some, values]) => objectOf(some, values));
    const shuffled = fc
      .tuple(fc.shuffledSubarray(keys), fc.array(value, { minLength: 6, maxLength: 6 }))
      .map(([some, values]) => objectOf(some, values));
    const more = fc.tuple(like, key, value).map(([row, key, held]) => ({ ...row, [key]: held }));
    const row = fc.oneof({ arbitrary: like, weight: 6 }, some, shuffled, more);
    return fc
      .tuple(row, row, fc.array(fc.oneof({ arbitrary: row, weight: 8 }, value), { minLength: 2, maxLength: 12 }))
      .map(([a, b, rest]) => [a, b, ...rest]);
  });
}

function objectOf(keys: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key, index) => [key, values[index]]));
}

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: scalar, weight: 8 },
    fc.array(tie('tree'), { maxLength: 6 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 6, noNullPrototype: true }),
    rowsOf(fc.oneof({ maxDepth: 2 }, { arbitrary: scalar, weight: 20 }, tie('tree'))),
  ),
}));

const filler = 'a line long enough to be worth a chunk of its own, more or less';

describe('any plain value', { timeout: 20_000 }, () => {
  const codec = msgpackCodec();

  it('arrives as it was, keys in their order', () => {
    fc.assert(
      fc.property(tree, (value) => {
        fc.pre(value !== undefined);
        const received = tripped(value, codec);
        expect(received).toStrictEqual(arriving(value));
        expect(keysInOrder(received)).toStrictEqual(keysInOrder(arriving(value)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('arrives as it was in rows, whatever their shapes', () => {
    fc.assert(
      fc.property(rowsOf(tree), (rows) => {
        const received = tripped(rows, codec);
        expect(received).toStrictEqual(arriving(rows));
        expect(keysInOrder(received)).toStrictEqual(keysInOrder(arriving(rows)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is read by a codec that never saw its shapes from one that saw many', () => {
    fc.assert(
      fc.property(tree, (value) => {
        fc.pre(value !== undefined);
        expect(decoded(encoded(value, codec))).toStrictEqual(arriving(value));
      }),
      { numRuns: 200 },
    );
  });
});

describe('rows', () => {
  const rows = Array.from({ length: 80 }, (_, index) => ({
    id: index,
    name: `row ${index}`,
    flags: ['gift'],
    price: index / 4,
  }));

  it('are laid out as PROTOCOL.md says', () => {
    const like = [
      { a: 1, b: 'x' },
      { a: 2, b: 'é' },
      { a: 3, b: '' },
      { b: 'yz', a: 4 },
    ];
    const parts = [
      ['c9', '00000027', '52'], // ext 32, its length, its type
      ['00000011'], // length of the values
      ['94', 'c10001a1', 'c10002a1', 'c10003a0', 'c101a204'], // the array: shape, then values; of text its length in UTF-16 units
      ['02', '02a161a162', '02a162a161'], // two shapes, each its number of keys, then the keys
      ['0005', '78c3a9797a'], // one chunk of text: its bytes, then 'x' + 'é' + '' + 'yz'
    ];
    expect(encoded(like).toString('hex')).toBe(parts.flat().join(''));
  });

  it('take less than two thirds of the bytes of maps', () => {
    expect(encoded(rows).length).toBeLessThan(0.67 * rows.reduce((bytes, row) => bytes + encoded(row).length, 0));
  });

  it('begin at four', () => {
    expect(encoded(rows.slice(0, 4))[0]).toBe(0xc9);
    expect(encoded(rows.slice(0, 3))[0]).toBe(0x93);
  });

  it('inside rows share their shapes and text', () => {
    const orders = Array.from({ length: 10 }, (_, id) => ({
      id,
      lines: rows.slice(id, id + 5),
      by: { name: 'Ada', of: { city: 'Bern' } },
    }));
    expect(tripped(orders)).toStrictEqual(orders);
    expect(encoded(orders).toString('latin1').split('flags')).toHaveLength(2);
  });

  it('of ever different shapes fall back to maps', () => {
    const shapes = Array.from({ length: 600 }, (_, index) => ({ [`key${index}`]: index, id: `row ${index}` }));
    expect(tripped(shapes)).toStrictEqual(shapes);
  });

  it('of ever different shapes, message after message, are learnt anew', () => {
    const codec = msgpackCodec();
    for (let message = 0; message < 60; message++) {
      const shapes = Array.from({ length: 200 }, (_, index) => ({
        [`key${message}.${index}`]: { deep: 'x', [`k${index}`]: 1 },
      }));
      expect(tripped(shapes, codec)).toStrictEqual(shapes);
    }
    expect(tripped(rows, codec)).toStrictEqual(rows);
  });

  it.each([63, 64, 65, 200, 300])('with %i keys arrive as they were', (count) => {
    const wide = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`k${index}`, { at: index, text: 'x' }]),
    );
    const value = Array.from({ length: 5 }, () => ({ id: 1, wide, after: 'y' }));
    const codec = msgpackCodec();
    for (let time = 0; time < 30; time++) expect(tripped(value, codec)).toStrictEqual(value);
  });

  it('with long keys arrive as they were', () => {
    const long = Array.from({ length: 5 }, (_, index) => ({
      ['k'.repeat(300)]: index,
      ['é'.repeat(60)]: 'x',
      after: { ['l'.repeat(70_000)]: 1 },
    }));
    expect(tripped(long)).toStrictEqual(long);
  });

  it('wide objects inside one another take a bounded time', () => {
    let nested: unknown = 'end';
    for (let level = 0; level < 50; level++) {
      nested = Object.fromEntries(
        Array.from({ length: 66 }, (_, index) => [`k${index}`, index === 0 ? nested : index]),
      );
    }
    const start = performance.now();
    const value = [{ nested }, { nested }, { nested }, { nested }];
    expect(tripped(value)).toStrictEqual(value);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it.each([254, 255, 256, 511, 512, 513, 70_000])('carry text of %i characters', (length) => {
    const value = Array.from({ length: 6 }, (_, index) => ({
      index,
      ascii: 'x'.repeat(length),
      wide: '€'.repeat(length),
      filler,
    }));
    expect(tripped(value)).toStrictEqual(value);
  });

  it('keep no more of a message alive than the chunk of text a string is from', () => {
    expect(encoded(Array.from({ length: 200 }, () => ({ filler }))).toString('latin1')).toMatch(/\x01\xf8a line/);
  });

  it('a lone surrogate becomes a replacement character', () => {
    const value = Array.from({ length: 4 }, () => ({ a: 'x\ud83dy', b: 'z' }));
    expect(tripped(value)).toStrictEqual(value.map(() => ({ a: 'x\ufffdy', b: 'z' })));
  });

  it('after a failed one start clean', () => {
    const codec = msgpackCodec();
    expect(() =>
      encoded(
        Array.from({ length: 5 }, () => ({ a: 'left over', b: 2n ** 70n })),
        codec,
      ),
    ).toThrow(/\[0\]\.b/);
    expect(() => decoded(encoded(rows).subarray(0, 400), codec)).toThrow(/ends in the middle/);
    expect(tripped(rows, codec)).toStrictEqual(rows);
    expect(tripped({ a: 'b' }, codec)).toStrictEqual({ a: 'b' });
  });
});

describe('where a process forbids code generation', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('values arrive all the same', () => {
    vi.stubGlobal('Function', function refused() {
      throw new EvalError('Code generation from strings disallowed for this context');
    });
    const codec = msgpackCodec();
    const value = {
      rows: Array.from({ length: 100 }, (_, id) => ({ id, name: `n${id}` })),
      umlaut: 'ü',
      eighteen: 'eighteen letters!!',
    };
    for (let time = 0; time < 60; time++) expect(tripped(value, codec)).toStrictEqual(value);
  });
});
