import fc from 'fast-check';
import { addExtension, Packr } from 'msgpackr';
import { expect, it } from 'vitest';

import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';
import { arriving, decoded, encoded } from './msgpack-trip.js';

/** Another implementation of MessagePack, without its extensions. */
const other = new Packr({ useRecords: false, mapsAsObjects: true, encodeUndefinedAsNil: true });
/** Plain MessagePack, which any implementation reads. */
const codec = msgpackCodec({ rows: false });

const key = fc.string({ unit: 'binary' }).filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.integer(),
  fc.double().filter((value) => !Object.is(value, -0)), // which the other takes for 0
  fc.boolean(),
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    { arbitrary: scalar, weight: 2 },
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.array(fc.record({ id: scalar, name: scalar, held: tie('tree') }, { requiredKeys: ['id'] }), { maxLength: 8 }),
    fc.array(scalar, { maxLength: 40 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

it('another implementation reads what this one writes', () => {
  const arrives = fc.property(tree, (value) => {
    expect(other.unpack(encoded(value, codec))).toStrictEqual(arriving(value));
  });
  fc.assert(arrives, { numRuns: 500 });
});

it('this one reads what another implementation writes', () => {
  const arrives = fc.property(tree, (value) => {
    expect(decoded(other.pack(value), codec)).toStrictEqual(arriving(value));
  });
  fc.assert(arrives, { numRuns: 500 });
});

it('another implementation can skip rows, and read what stands around them', () => {
  const rows = Array.from({ length: 5 }, (_, id) => ({ id }));
  addExtension({ type: 0x52, unpack: () => 'rows' });
  expect(other.unpack(encoded({ before: 1, rows, after: 2 }))).toStrictEqual({ before: 1, rows: 'rows', after: 2 });
});
