import { describe, expect, it } from 'vitest';

import { bodyFlags, readBody, writeBody } from '../../../lib/wire/body.js';
import { Flag } from '../../../lib/wire/frame.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { written } from './support.js';

const CODEC = jsonCodec();

const wire = (value: unknown) => written((writer) => writeBody(value, CODEC, writer));
const read = (flags: number, bytes: Buffer) => readBody(flags, CODEC, bytes, 0, bytes.length);

describe('a body', () => {
  it.each<[string, Uint8Array]>([
    ['a Buffer', Buffer.from([0, 255, 1])],
    ['a Uint8Array', new Uint8Array([0, 255, 1])],
    ['part of a larger array', new Uint8Array([9, 0, 255, 1, 9]).subarray(1, 4)],
  ])('that is %s travels as it is and arrives as a Buffer, whatever the codec', (_, value) => {
    expect(bodyFlags(value)).toBe(Flag.RAW);
    expect(wire(value).toString('hex')).toBe('00ff01');
    const back = read(Flag.RAW, wire(value));
    expect(Buffer.isBuffer(back)).toBe(true);
    expect((back as Buffer).toString('hex')).toBe('00ff01');
  });

  it('of no bytes is an empty Buffer with RAW, and undefined without', () => {
    expect(wire(Buffer.alloc(0))).toHaveLength(0);
    expect(read(Flag.RAW, Buffer.alloc(0))).toEqual(Buffer.alloc(0));
    expect(wire(undefined)).toHaveLength(0);
    expect(read(0, Buffer.alloc(0))).toBeUndefined();
  });

  it.each([null, false, 0, '', [], {}])('that is %j is not taken for nothing', (value) => {
    expect(bodyFlags(value)).toBe(0);
    expect(wire(value).length).toBeGreaterThan(0);
    expect(read(0, wire(value))).toEqual(value);
  });

  it.each([new Uint16Array([1]), new DataView(new ArrayBuffer(1))])(
    'of another view of memory is the codec’s business',
    (value) => {
      expect(bodyFlags(value)).toBe(0);
    },
  );
});
