import { expect, it } from 'vitest';

import { RookeryError } from '../../lib/core/errors.js';
import { FrameWriter } from '../../lib/wire/frame-writer.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';

const MUTANTS = 150_000;
const SEED = Number(process.env['ROOKERY_FUZZ_SEED'] ?? Date.now() % 1_000_000);

const SEEDS: readonly unknown[] = [
  { id: 'order-1', customer: 'Ada L.', quantity: 3, price: 24.95, express: true, note: '' },
  {
    lines: Array.from({ length: 6 }, (_, id) => ({
      id,
      name: `shelf ${id}`,
      price: id / 3,
      flags: ['gift'],
      of: { city: 'Zürich' },
    })),
  },
  Array.from({ length: 5 }, (_, id) =>
    id % 2 ? { id, at: new Date(id * 1_500), big: 5n } : { id, bytes: Buffer.from('abc'), none: null },
  ),
  [1, -1, 200, -200, 70_000, -70_000, 1e10, 1.5, 'text', 'x'.repeat(40), '日本語', [[[[]]]], { a: { b: { c: {} } } }],
  Array.from({ length: 8 }, (_, id) => ({ [`k${id % 3}`]: 'x'.repeat(id * 40), '': id })),
  Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`key${index}`, index])),
];
/** Bytes that start something, end something, or count. */
const TOKENS = [
  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc7, 0xc9, 0xcb, 0xcf, 0xd6, 0xd9, 0xdb, 0xdc,
  0xdd, 0xde, 0xdf, 0xff, 0x52,
];

/** mulberry32 */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const codec = msgpackCodec();

function encoded(value: unknown): Buffer {
  const writer = new FrameWriter(1 << 24);
  codec.encode(value, writer);
  return Buffer.from(writer.view());
}

function mutated(seeds: readonly Buffer[], random: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(seeds[random(seeds.length)]!);
  for (let times = 1 + random(4); times > 0; times--) bytes = mutatedOnce(bytes, seeds, random);
  return bytes;
}

function mutatedOnce(bytes: Buffer, seeds: readonly Buffer[], random: (below: number) => number): Buffer {
  const at = random(bytes.length + 1);
  switch (random(6)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = TOKENS[random(TOKENS.length)]!;
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([TOKENS[random(TOKENS.length)]!]), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + random(8)))]);
    default: {
      const other = seeds[random(seeds.length)]!;
      const from = random(other.length);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random(64)), bytes.subarray(at)]);
    }
  }
}

it(`${MUTANTS} broken bodies are read or refused, and nothing else (seed ${SEED})`, { timeout: 60_000 }, () => {
  const random = randomOf(SEED);
  const seeds = SEEDS.map(encoded);
  const prototype = Object.getOwnPropertyNames(Object.prototype);
  let read = 0;
  let slowestMs = 0;
  for (let mutant = 0; mutant < MUTANTS; mutant++) {
    const bytes = mutated(seeds, random);
    const start = performance.now();
    let value: unknown;
    try {
      value = codec.decode(bytes, 0, bytes.length);
    } catch (error) {
      if (!RookeryError.is(error) || error.reason !== 'DECODE_FAILED')
        throw new Error(`seed ${SEED}, ${bytes.toString('hex')}`, { cause: error });
      continue;
    } finally {
      slowestMs = Math.max(slowestMs, performance.now() - start);
    }
    read++;
    if (read % 8 === 0) encoded(value);
  }
  expect(read).toBeGreaterThan(MUTANTS / 100);
  expect(slowestMs).toBeLessThan(250);
  expect(Object.getOwnPropertyNames(Object.prototype)).toStrictEqual(prototype);
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  for (const [index, seed] of seeds.entries()) expect(codec.decode(seed, 0, seed.length)).toStrictEqual(SEEDS[index]);
});
