import { describe, expect, it } from 'vitest';

import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { standardCodecs } from '../../../lib/wire/standard-codecs.js';
import { decoded, encoded, tripped } from './msgpack-trip.js';

const TABLE = Array.from({ length: 6 }, (_, id) => ({
  id,
  sku: `A-${id}`,
  lines: [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }],
}));

/** The first byte of an extension of any size. */
const EXTENSIONS = [0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8];

describe('plain msgpack', () => {
  const plain = msgpackCodec({ rows: false });
  const withRows = msgpackCodec();

  it('has a name of its own, and comes after the one with rows', () => {
    expect([plain.name, withRows.name]).toEqual(['msgpack', 'msgpack+rows']);
    expect(standardCodecs().map(({ name }) => name)).toEqual(['msgpack+rows', 'msgpack', 'json']);
  });

  it('writes arrays of like objects as arrays of maps, at any depth', () => {
    const bytes = encoded({ table: TABLE }, plain);
    expect(bytes.subarray(0, 8).toString('hex')).toBe('81a57461626c6596');
    expect(bytes.filter((byte) => EXTENSIONS.includes(byte))).toHaveLength(0);
    expect(decoded(bytes, plain)).toStrictEqual({ table: TABLE });
    expect(bytes.length).toBeGreaterThan(encoded({ table: TABLE }, withRows).length);
  });

  it('goes on to write none while a toJSON of the value sends another', () => {
    let within: Buffer | undefined;
    const value = { toJSON: () => ((within = encoded(TABLE, plain)), 'sent') };
    expect(tripped([value], plain)).toStrictEqual(['sent']);
    expect(within![0]).toBe(0x96);
  });

  it('reads rows all the same: version 0.1.0 wrote them under this name', () => {
    expect(decoded(encoded(TABLE, withRows), plain)).toStrictEqual(TABLE);
    expect(decoded(encoded(TABLE, plain), withRows)).toStrictEqual(TABLE);
  });

  it('is read and written under the limits it is given', () => {
    const small = msgpackCodec({ rows: false, maxDepth: 2, maxNodes: 5 });
    expect(() => encoded([[[]]], small)).toThrow(/deeper than 2/);
    expect(() => decoded(encoded([1, 2, 3, 4, 5]), small)).toThrow(/more than 5 values/);
  });
});
