import { describe, expect, it } from 'vitest';

import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { decoded, encoded, errorOf, roundTrip } from './support.js';

const codec = jsonCodec();

describe('jsonCodec', () => {
  it('writes what JSON.stringify writes', () => {
    const value = { text: 'a"\\\u0000é😀', list: [1, null, undefined], none: undefined, at: new Date(0), nan: NaN };
    expect(encoded(codec, value).toString()).toBe(JSON.stringify(value));
    expect(roundTrip(codec, value)).toEqual(JSON.parse(JSON.stringify(value)));
  });

  it.each<[string, unknown]>([
    ['a bigint', { big: 1n }],
    ['a cycle', cycle()],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ],
  ])('cannot write %s, and says so', (_, value) => {
    expect(errorOf(() => encoded(codec, value))).toMatchObject({ reason: 'ENCODE_FAILED', outcome: 'never-sent' });
  });

  it.each(['{', 'nope', '{"a":1}}', '"', '[1,]', '\u00ff', '{"a":1} x'])(
    'cannot read %j, says so, and does not quote it',
    (text) => {
      const error = errorOf(() => decoded(codec, Buffer.from(text)));
      expect(error.reason).toBe('DECODE_FAILED');
      if (text.length > 3) expect(error.message).not.toContain(text);
    },
  );

  it.each([
    '{"__proto__":{"polluted":1}}',
    '{"a":[{"constructor":{"prototype":{}}}]}',
    '{"prototype":1}',
    '{"\\u005f_proto__":1}',
  ])('refuses %s, whose key could reach a prototype', (text) => {
    expect(errorOf(() => decoded(codec, Buffer.from(text)))).toMatchObject({
      reason: 'DECODE_FAILED',
      outcome: 'refused',
    });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('takes the same words as values', () => {
    const value = ['__proto__', { a: 'constructor', b: 'say "prototype": now', c: 'é\u2028' }];
    expect(decoded(codec, Buffer.from(JSON.stringify(value)))).toEqual(value);
  });

  const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
  const values = (count: number) => Buffer.from(JSON.stringify(Array.from({ length: count }, (_, index) => index)));

  it('reads 64 levels and refuses the 65th', () => {
    expect(() => decoded(codec, nested(64))).not.toThrow();
    expect(errorOf(() => decoded(codec, nested(65))).message).toContain('64 deep');
  });

  it('reads 100,000 values and refuses more', () => {
    expect(decoded(codec, values(99_990))).toHaveLength(99_990);
    expect(errorOf(() => decoded(codec, values(100_001))).message).toContain('100000 values');
  });

  it('takes other limits from its owner', () => {
    const strict = jsonCodec({ maxDepth: 2, maxNodes: 5 });
    expect(errorOf(() => decoded(strict, nested(3))).reason).toBe('DECODE_FAILED');
    expect(errorOf(() => decoded(strict, values(10))).reason).toBe('DECODE_FAILED');
    expect(decoded(strict, Buffer.from('[[1]]'))).toEqual([[1]]);
  });

  it('does not count brackets and commas inside text', () => {
    const text = '[{,"\\'.repeat(30_000);
    expect(roundTrip(codec, [text])).toEqual([text]);
  });

  it.each([
    ['a text without end', Buffer.from(`["${'a'.repeat(4_000_000)}`), /in the middle of a string/],
    ['brackets that do not match', Buffer.from(`[${'1.5 '.repeat(1_000_000)}`), /brackets do not match/],
  ])('does not ask the parser about %s', (_, bytes, message) => {
    expect(() => jsonCodec().decode(bytes, 0, bytes.length)).toThrow(message);
  });

  it('refuses a megabyte of brackets within milliseconds', () => {
    const started = performance.now();
    expect(errorOf(() => decoded(codec, Buffer.alloc(1_000_000, '['))).reason).toBe('DECODE_FAILED');
    expect(performance.now() - started).toBeLessThan(50);
  });
});

function cycle(): object {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}
