import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { encoded, tripped } from './msgpack-trip.js';

function failureOf(value: unknown): RookeryError {
  try {
    encoded(value);
  } catch (error) {
    if (RookeryError.is(error)) return error;
    throw error;
  }
  throw new Error('it was encoded');
}

function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const circular: Record<string, unknown> = { name: 'x' };
circular['self'] = circular;
const thrown = new TypeError('no such column');

describe('what cannot be written', () => {
  const cases: [string, unknown, RegExp][] = [
    ['a function', () => 1, /^the value cannot be written as msgpack: it is a function; send plain data$/],
    ['a symbol', Symbol('x'), /it is a symbol/],
    ['undefined from toJSON', { toJSON: () => undefined }, /^the value cannot be written/],
    [
      'a bigint of 65 bits',
      { lines: [{ price: 1 }, { price: 2n ** 64n }] },
      /^the value at lines\[1\]\.price cannot .* more than 64 bits; send it as a string$/,
    ],
    ['a negative bigint of 65 bits', { 'a b': -(2n ** 63n) - 1n }, /at \["a b"\] cannot .* more than 64 bits/],
    [
      'floats as such',
      { vector: new Float32Array(2) },
      /^the value at vector cannot .* it is a Float32Array; send a Buffer or an array$/,
    ],
    ['an ArrayBuffer', [new ArrayBuffer(2)], /^the value at \[0\] .* send a Buffer over it/],
    [
      'a Map keyed by objects',
      { map: new Map([[{}, 1]]) },
      /^the value at map .* a Map with a key that is a Object; use strings/,
    ],
    [
      '__proto__ as a key',
      { a: JSON.parse('{"__proto__":1}') },
      /^the value at a\.__proto__ .* receivers refuse the key "__proto__"; rename it/,
    ],
    ['constructor as a key', { constructor: 'Ferrari' }, /receivers refuse the key "constructor"/],
    ['prototype as a key', { prototype: 1 }, /receivers refuse the key "prototype"/],
    [
      'a forbidden key in rows',
      { rows: Array.from({ length: 5 }, () => ({ constructor: 1 })) },
      /^the value at rows .* receivers refuse the key "constructor"/,
    ],
    ['a forbidden key in a Map', new Map([['__proto__', 1]]), /receivers refuse the key "__proto__"/],
    [
      'a value that refers to itself',
      circular,
      /^the value at self\.self\.self\.self\.self\.self\.self\.self… .* refers to itself or is nested deeper than 64; send plain data$/,
    ],
    [
      'a row that refers to itself',
      [circular, circular, circular, circular],
      /^the value at \[0\]\.self.* refers to itself/,
    ],
    [
      'a toJSON that gives itself',
      [1, { toJSON: (): unknown => [{ toJSON: () => circular }] }],
      /^the value at \[1\]\[0\]\.self.* refers to itself/,
    ],
    ['65 levels', nested(65), /nested deeper than 64/],
  ];

  it.each(cases)('%s is ENCODE_FAILED and says why', (_, value, message) => {
    const error = failureOf(value);
    expect(error.reason).toBe('ENCODE_FAILED');
    expect(error.message).toMatch(message);
  });

  it('64 levels can be written, and read', () => {
    expect(tripped(nested(64))).toStrictEqual(nested(64));
  });

  it('what a getter or toJSON throws is the cause', () => {
    const row = {
      get total(): number {
        throw thrown;
      },
    };
    expect(failureOf({ lines: [row] })).toMatchObject({
      cause: thrown,
      message: expect.stringMatching(/at lines\[0\]\.total .*no such column/),
    });
    expect(failureOf([row, row, row, row])).toMatchObject({ cause: thrown });
    expect(
      failureOf({
        a: {
          toJSON: () => {
            throw thrown;
          },
        },
      }),
    ).toMatchObject({ cause: thrown });
  });
});
