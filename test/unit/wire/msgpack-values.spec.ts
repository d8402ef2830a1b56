import { describe, expect, it } from 'vitest';

import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { decoded, encoded, tripped } from './msgpack-trip.js';

describe('msgpack values', () => {
  const bytes: [unknown, string][] = [
    [null, 'c0'],
    [false, 'c2'],
    [true, 'c3'],
    [0, '00'],
    [-0, 'cb8000000000000000'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [4_294_967_295, 'ceffffffff'],
    [4_294_967_296, 'cb41f0000000000000'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32_768, 'd18000'],
    [-32_769, 'd2ffff7fff'],
    [-2_147_483_648, 'd280000000'],
    [-2_147_483_649, 'cbc1e0000000200000'],
    [1.5, 'cb3ff8000000000000'],
    [NaN, 'cb7ff8000000000000'],
    [Infinity, 'cb7ff0000000000000'],
    [5n, 'cf0000000000000005'],
    [-5n, 'd3fffffffffffffffb'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
    ['', 'a0'],
    ['abc', 'a3616263'],
    ['é', 'a2c3a9'],
    ['x'.repeat(31), `bf${'78'.repeat(31)}`],
    ['x'.repeat(32), `d920${'78'.repeat(32)}`],
    ['x'.repeat(255), `d9ff${'78'.repeat(255)}`],
    ['x'.repeat(256), `da0100${'78'.repeat(256)}`],
    ['é'.repeat(16), `d920${'c3a9'.repeat(16)}`],
    ['é'.repeat(128), `da0100${'c3a9'.repeat(128)}`],
    [[], '90'],
    [[1, [2]], '920191 02'.replace(' ', '')],
    [{}, '80'],
    [{ a: 1, b: 'x' }, '82a16101a162a178'],
    [[Buffer.from('hi')], '91c4026869'],
    [new Date(0), 'd6ff00000000'],
    [new Date(1_000), 'd6ff00000001'],
    [new Date(1_500), 'd7ff7735940000000001'],
    [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
    [new Date(2 ** 34 * 1_000), 'c70cff000000000000000400000000'],
  ];

  it.each(bytes)('%o travels in the shortest form, and back', (value, hex) => {
    expect(encoded(value).toString('hex')).toBe(hex);
    expect(tripped(value)).toStrictEqual(value);
  });

  const shortAndLong = [0, 15, 16, 31, 32, 65_535, 65_536];

  it.each(shortAndLong)('an array, an object and a text of %i keep their length', (count) => {
    const object = Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
    expect(tripped(Array.from({ length: count }, (_, index) => index))).toHaveLength(count);
    expect(tripped(object)).toStrictEqual(object);
    expect(tripped('ü'.repeat(count))).toBe('ü'.repeat(count));
  });

  it('bytes within a value come back as a view of the frame, not a copy', () => {
    const codec = msgpackCodec();
    const frame = encoded({ picture: new Uint8Array([1, 2, 3]) });
    const { picture } = codec.decode(frame, 0, frame.length) as { picture: Buffer };
    expect(Buffer.isBuffer(picture)).toBe(true);
    expect(picture.buffer).toBe(frame.buffer);
    expect([...picture]).toStrictEqual([1, 2, 3]);
  });

  it.each([0, 255, 256, 65_535, 65_536])('%i bytes keep their length', (count) => {
    expect(tripped([Buffer.alloc(count, 7)])).toStrictEqual([Buffer.alloc(count, 7)]);
  });

  it('what other encoders write is read too', () => {
    expect(decoded(Buffer.from('ca3fc00000', 'hex'))).toBe(1.5);
    expect(decoded(Buffer.from('d90161', 'hex'))).toBe('a');
    expect(decoded(Buffer.from('db0000000161', 'hex'))).toBe('a');
    expect(decoded(Buffer.from('df00000001d90161dc000107', 'hex'))).toStrictEqual({ a: [7] });
  });
});

class Money {
  constructor(private readonly cents: number) {}
  toJSON(): string {
    return `${this.cents / 100} EUR`;
  }
}

class OrderLine {
  sku = 'SKU-1';
  private readonly hidden = 1;
  get total(): number {
    return this.hidden;
  }
}

describe('what JSON has an answer for', () => {
  const like: [string, unknown][] = [
    ['undefined and functions in objects are left out', { a: undefined, b: () => 1, c: Symbol('s'), d: 1 }],
    ['undefined, holes and functions in arrays are null', [undefined, () => 1, Symbol('s'), , 1]], // eslint-disable-line no-sparse-arrays
    ['toJSON is asked', { price: new Money(995), site: new URL('http://localhost/x') }],
    ['toJSON that gives nothing leaves the key out', { a: { toJSON: () => undefined }, b: 1 }],
    ['toJSON is asked once', { a: { toJSON: () => ({ b: 1, toJSON: () => 2 }) } }],
    ['class instances are their own fields', new OrderLine()],
    ['boxed values are what they hold', [new Number(1), new Boolean(false)]],
    ['an object without prototype is an object', Object.assign(Object.create(null), { a: 1 })],
    ['inherited fields are left out', Object.assign(Object.create({ inherited: 1 }), { own: 1 })],
    ['an error is its own fields', Object.assign(new Error('x'), { code: 7 })],
    ['keys that look like numbers come first', { b: 1, 2: 1, 1: 1 }],
    [
      'rows with toJSON',
      Array.from({ length: 5 }, (_, index) => ({ price: new Money(index), none: { toJSON: () => undefined } })),
    ],
  ];

  it.each(like)('%s', (_, value) => {
    expect(tripped(value)).toStrictEqual(JSON.parse(JSON.stringify(value)));
  });

  it('an invalid date is null', () => {
    expect(tripped([new Date(NaN)])).toStrictEqual([null]);
  });
});

describe('what JSON loses', () => {
  it('a Set arrives as an array, a Map as an object', () => {
    const map = new Map<string | number, unknown>([
      ['a', 1],
      [2, new Set(['x'])],
    ]);
    expect(tripped({ set: new Set([1, 2]), map })).toStrictEqual({ set: [1, 2], map: { a: 1, 2: ['x'] } });
    expect(tripped({ set: new Set(), map: new Map() })).toStrictEqual({ set: [], map: {} });
  });

  it('a bigint stays a bigint and a number a number', () => {
    expect(tripped([1n, 1, 2 ** 53, 2n ** 53n])).toStrictEqual([1n, 1, 2 ** 53, 2n ** 53n]);
  });
});

describe('text', () => {
  it.each(['', 'a', 'Zürich', '日本語', '👩‍👩‍👧‍👦', '\0', '\ufeff', '\ufffd', 'é'.repeat(40), `${'x'.repeat(300)}€`])(
    '%j arrives as it was',
    (text) => {
      expect(tripped(text)).toBe(text);
      expect(tripped({ [text]: text })).toStrictEqual({ [text]: text });
    },
  );

  it.each([0, 8, 23, 24, 31, 32, 100, 300])(
    'a lone surrogate behind %i letters becomes a replacement character',
    (count) => {
      const letters = 'x'.repeat(count);
      expect(tripped(`${letters}\ud83d!`)).toBe(`${letters}\ufffd!`);
    },
  );
});

describe('a toJSON that sends a message', () => {
  const codec = msgpackCodec();

  it('writes to another connection undisturbed', () => {
    const other = new FrameWriter(1_000);
    const value = { a: 1, b: { toJSON: () => (codec.encode('inner', other), 'outer') }, c: 3 };
    expect(tripped(value, codec)).toStrictEqual({ a: 1, b: 'outer', c: 3 });
    expect(decoded(other.view())).toBe('inner');
  });

  it('is refused on the connection that is being written to', () => {
    const writer = new FrameWriter(1_000);
    const value = { toJSON: () => codec.encode('inner', writer) };
    expect(() => codec.encode(value, writer)).toThrow(/a toJSON or getter of a message that is being written sends it/);
    expect(tripped('afterwards', codec)).toBe('afterwards');
  });
});
