import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { decoded, encoded, tripped } from './msgpack-trip.js';

function hex(...parts: string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

/** Rows around these values, shapes and text. */
function rows(values: string, shapes: string, text = ''): Buffer {
  const content = hex(length32(hex(values).length), values, shapes, text);
  return hex('c9', length32(content.length), '52', content.toString('hex'));
}

function length32(count: number): string {
  return count.toString(16).padStart(8, '0');
}

function failureOf(bytes: Buffer): RookeryError {
  try {
    decoded(bytes);
  } catch (error) {
    if (RookeryError.is(error)) return error;
    throw error;
  }
  throw new Error('it was decoded');
}

const SHAPE_A = '01 01a161';

describe('what is not read', () => {
  const cases: [string, Buffer, RegExp][] = [
    ['nothing', Buffer.alloc(0), /ends in the middle of a value/],
    ['a text that is cut', hex('a3 6161'), /ends in the middle/],
    ['a number that is cut', hex('cb 00000000'), /ends in the middle/],
    ['a length that is cut', hex('da 00'), /ends in the middle/],
    ['a key without value', hex('81 a161'), /ends in the middle/],
    ['a key that is cut', hex('82 a0 c0 a561'), /ends in the middle/],
    ['bytes behind the value', hex('c0 c0 c0'), /2 bytes follow the value/],
    ['the byte 0xc1', hex('91 c1'), /the byte 0xc1/],
    ['a key that is a number', hex('81 01 c0'), /a key that is not a string/],
    ['a key that is bytes', hex('81 c40161 c0'), /a key that is not a string/],
    ['the key __proto__', hex('81 a95f5f70726f746f5f5f c0'), /the key "__proto__" is refused/],
    ['the key constructor', hex('81 ab636f6e7374727563746f72 c0'), /the key "constructor" is refused/],
    ['the key prototype', hex('81 a970726f746f74797065 c0'), /the key "prototype" is refused/],
    ['the key __proto__ with a longer header', hex('81 da00095f5f70726f746f5f5f c0'), /the key "__proto__" is refused/],
    [
      'the key __proto__ of a dictionary',
      hex('de0042', 'd94161'.padEnd(134, '61'), 'c0', 'a95f5f70726f746f5f5f c0', 'a0c0'.repeat(64)),
      /the key "__proto__"/,
    ],
    ['the key __proto__ of a shape', rows('91 c10001', '01 01 a95f5f70726f746f5f5f'), /the key "__proto__"/],
    ['an extension', hex('d4 01 00'), /the extension type 1/],
    ['a negative extension', hex('d4 fe 00'), /the extension type -2/],
    ['a record of another implementation', hex('d4 72 40 91 a161 01'), /the extension type 114/],
    ['a timestamp of a wrong length', hex('c7 05 ff 0000000000'), /a timestamp of 5 bytes/],
    ['an extension that is cut', hex('c7 ff ff 00'), /ends in the middle/],
    ['an overlong NUL', hex('a2 c080'), /not valid UTF-8/],
    ['a surrogate in UTF-8', hex('a3 eda080'), /not valid UTF-8/],
    ['a sequence that is cut', hex('a2 61e2'), /not valid UTF-8/],
    ['a key that is not UTF-8', hex('81 a1ff c0'), /not valid UTF-8/],
    ['long text that is not UTF-8', hex('d928', 'ff'.repeat(40)), /not valid UTF-8/],
    ['rows in rows', rows('91 c9 00000000 52', '00'), /extension type 82 within rows/],
    ['rows of a shape that is not named', rows('91 c101', '00'), /a shape that was not named/],
    ['rows that are cut', rows('94 c10001', SHAPE_A), /ends in the middle/],
    ['rows with values behind', rows('c0c0', '00'), /1 bytes follow its rows/],
    ['rows with more values than bytes', hex('c9 00000005 52 ffffffff 00'), /ends in the middle/],
    ['rows with text that is missing', rows('91 a1', '00'), /ends in the middle/],
    ['rows with text that is cut', rows('91 a1', '00', '0005 61'), /ends in the middle/],
    ['rows with text nobody uses', rows('91 a1', '00', '0002 6161'), /text that no value uses/],
    ['rows with a chunk nobody uses', rows('91 c0', '00', '0001 61'), /text that no value uses/],
    [
      'rows with a string cut in two',
      rows('92 a1 a2', '00', '0002 6161 0001 61'),
      /a string of its rows is cut in two/,
    ],
    ['rows with a chunk too short', rows('91 a2', '00', '0001 61'), /a wrong length/],
    ['rows with a chunk too long', rows('91 a1', '00', `0201 ${'61'.repeat(513)}`), /a wrong length/],
    ['rows with text that is not UTF-8', rows('91 a1', '00', '0001 ff'), /not valid UTF-8/],
    ['rows with a shape that is cut', rows('91 c0', '01 02 a161'), /ends in the middle/],
  ];

  it.each(cases)('%s is DECODE_FAILED and says why', (_, bytes, message) => {
    const error = failureOf(bytes);
    expect(error.reason).toBe('DECODE_FAILED');
    expect(error.message).toMatch(message);
  });

  it('a value cut anywhere is DECODE_FAILED', () => {
    const bytes = encoded({
      a: [1.5, 'text', -700, new Date(1), 5n, Buffer.from('x')],
      rows: Array.from({ length: 5 }, (_, b) => ({ b, c: 'ü' })),
    });
    for (let end = 0; end < bytes.length; end++) expect(failureOf(bytes.subarray(0, end)).reason).toBe('DECODE_FAILED');
  });

  it('bytes behind the body are not looked at', () => {
    const bytes = hex('a3 616263');
    expect(() => msgpackCodec().decode(bytes, 0, 3)).toThrow(/ends in the middle/);
  });
});

describe('what costs too much is refused at once', () => {
  const million = 'ff'.repeat(1_000_000);
  const bombs: [string, Buffer, RegExp][] = [
    [
      '24,000 nested arrays of 16 elements',
      Buffer.concat(Array.from({ length: 24_000 }, () => hex('dc0010'))),
      /deeper than 64/,
    ],
    [
      '24,000 nested arrays of 65,535',
      Buffer.concat(Array.from({ length: 24_000 }, () => hex('dcffff'))),
      /values|deeper|ends/,
    ],
    ['2 MB of nested arrays', Buffer.alloc(2_000_000, 0x91), /deeper than 64/],
    ['2 MB of nested objects', Buffer.alloc(2_000_000, '81a0', 'hex'), /deeper than 64/],
    ['an array of 4 billion', hex('dd ffffffff c0'), /ends in the middle/],
    ['an object of 4 billion', hex('df ffffffff a0c0'), /ends in the middle/],
    ['a text of 4 GB', hex('db ffffffff 61'), /ends in the middle/],
    ['bytes of 4 GB', hex('c6 ffffffff 61'), /ends in the middle/],
    ['an extension of 4 GB', hex('c9 ffffffff 52 00'), /ends in the middle/],
    ['an object of a million entries', hex('df 000f4240', 'a0c0'.repeat(1_000_000)), /more than 100000 values/],
    ['an array of a million', hex('dd 000f4240', million), /more than 100000 values/],
    ['a million rows', rows(`dd 000f4240 ${million}`, SHAPE_A), /more than 100000 values/],
    [
      'rows of 64 values each',
      rows(`dc 07d0 ${`c100${'01'.repeat(64)}`.repeat(2_000)}`, `01 40 ${'a0'.repeat(64)}`),
      /more than 100000 values/,
    ],
    ['4 billion rows', rows('dd ffffffff', SHAPE_A), /ends in the middle/],
    [
      'a million rows without keys',
      rows(`dd 000f4240 ${'c100'.repeat(1_000_000)}`, '01 00'),
      /more than 100000 values/,
    ],
    [
      'rows again and again, each naming 255 shapes of 64 keys that no value has',
      Buffer.concat([
        hex('9a'),
        ...Array.from({ length: 10 }, () => rows('c0', `ff ${`40 ${'a0'.repeat(64)}`.repeat(255)}`)),
      ]),
      /more than 100000 values/,
    ],
    ['rows that name a shape of 65 keys', rows('c0', `01 41 ${'a0'.repeat(65)}`), /more than 64 keys/],
    ['rows nested too deep', rows('91'.repeat(70), '00'), /deeper than 64/],
    ['rows of rows nested too deep', rows('c100'.repeat(70), SHAPE_A), /deeper than 64/],
  ];

  it.each(bombs)('%s', (_, bytes, message) => {
    const heapBefore = process.memoryUsage().heapUsed;
    const start = performance.now();
    const error = failureOf(bytes);
    const took = performance.now() - start;
    expect(error.message).toMatch(message);
    expect(took).toBeLessThan(50);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(16 * 1024 * 1024);
  });

  it('up to the limits values are read', () => {
    expect(tripped(Array(99_999).fill(0))).toHaveLength(99_999);
    expect(() => tripped(Array(100_000).fill(0))).toThrow(/more than 100000 values; send less, or stream it/);
  });

  it('the limits can be set', () => {
    const codec = msgpackCodec({ maxDepth: 2, maxNodes: 5 });
    expect(tripped([[1, 2]], codec)).toStrictEqual([[1, 2]]);
    expect(() => decoded(encoded([[[1]]]), codec)).toThrow(/deeper than 2/);
    expect(() => tripped([1, 2, 3, 4, 5], codec)).toThrow(/more than 5 values/);
    expect(() => tripped([[[1]]], codec)).toThrow(/nested deeper than 2; send plain data/);
  });
});
