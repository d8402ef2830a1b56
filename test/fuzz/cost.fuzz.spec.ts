import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../lib/core/errors.js';
import type { Codec } from '../../lib/wire/codec.js';
import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { FrameType, PREFACE, WIRE_LIMITS } from '../../lib/wire/frame.js';
import { jsonCodec } from '../../lib/wire/json-codec.js';
import { decodeManifest } from '../../lib/wire/manifest.js';
import { readMetadata } from '../../lib/wire/metadata-block.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';
import { frame, u32 } from '../wire/support/raw-peer.js';
import { encoded } from './support/bodies.js';
import { growth } from './support/oracles.js';

/** For twice the bytes a reader may take this many times the CPU time. */
const LIMIT = 2.3;
const MIB = 1024 * 1024;
const STREAM_BYTES = (process.env['CI'] ? 32 : 8) * MIB;
const BODY_BYTES = 256 * 1024;
const NO_LIMITS = { maxDepth: 1e6, maxNodes: 1e9 };

/** Work on so many bytes, prepared. */
type WorkOn = (bytes: number) => () => void;

function expectLinear(workOn: WorkOn, bytes: number, doublings: number): void {
  expect(growth(workOn, bytes, doublings, LIMIT)).toBeLessThanOrEqual(LIMIT);
}

function stream(part: Buffer, chunkBytes: number, maxPayloadBytes = 4 * MIB): WorkOn {
  return (bytes) => {
    const whole = Buffer.concat(Array.from({ length: Math.ceil(bytes / part.length) }, () => part));
    const chunks = [PREFACE];
    for (let at = 0; at < whole.length; at += chunkBytes) chunks.push(whole.subarray(at, at + chunkBytes));
    return () => {
      const decoder = new FrameDecoder({ onFrame: () => undefined }, maxPayloadBytes);
      for (const chunk of chunks) decoder.push(chunk);
    };
  };
}

const reply = (bytes: number) => frame(FrameType.REPLY, { payload: Buffer.alloc(bytes) });

describe('CPU time grows with the bytes, and no faster', () => {
  it.each<[string, WorkOn, number]>([
    ['small frames in chunks of 64 KiB', stream(frame(FrameType.PING), 65_536), STREAM_BYTES],
    ['small frames in chunks of 7 bytes', stream(frame(FrameType.PING), 7), STREAM_BYTES / 8],
    ['small frames byte by byte', stream(frame(FrameType.PING), 1), STREAM_BYTES / 32],
    ['frames of 1,000 bytes in chunks of 1,460', stream(reply(1_000), 1_460), STREAM_BYTES],
    ['frames of 16 KiB in chunks of 100 bytes', stream(reply(16_384), 100), STREAM_BYTES],
    ['frames of 16 KiB byte by byte', stream(reply(16_384), 1), STREAM_BYTES / 32],
    ['frames of 256 KiB in chunks of 1,460', stream(reply(MIB / 4), 1_460), STREAM_BYTES],
    ['frames of 1 MiB in chunks of 64 KiB', stream(reply(MIB), 65_536), STREAM_BYTES],
  ])('of a stream of %s', (_, workOn, bytes) => expectLinear(workOn, bytes, 3), 120_000);

  it('of one frame that arrives byte by byte', () => {
    expectLinear((bytes) => stream(reply(bytes), 1, 8 * MIB)(1), MIB, 4);
  }, 120_000);

  const repeated = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length));
  const counted = (bytes: number, of: (index: number) => unknown, each: number) =>
    Array.from({ length: Math.ceil(bytes / each) }, (_, index) => of(index));

  /** Fewer than the others: beyond some thousands of keys it is the machine's cache that is measured. */
  const keyed = (bytes: number) =>
    Object.fromEntries(counted(bytes, (id) => [`key ${id}`, id], 16) as [string, number][]);

  function body(codec: Codec, bodyOf: (bytes: number) => Buffer): WorkOn {
    return (bytes) => {
      const given = bodyOf(bytes);
      return () => {
        decodeOrRefuse(codec, given);
      };
    };
  }

  const msgpack = msgpackCodec(NO_LIMITS);
  const plain = msgpackCodec({ ...NO_LIMITS, rows: false });
  const array32 = (count: number, ...parts: Buffer[]) => Buffer.concat([Buffer.from([0xdd]), u32(count), ...parts]);

  it.each<[string, (bytes: number) => Buffer]>([
    [
      'numbers',
      (bytes) =>
        encoded(
          plain,
          counted(bytes, (index) => index / 3, 9),
        ),
    ],
    [
      'short text',
      (bytes) =>
        encoded(
          plain,
          counted(bytes, (index) => `name ${index}`, 12),
        ),
    ],
    ['text that is no ASCII', (bytes) => encoded(plain, repeated('Zürich 日本 ', bytes / 2))],
    [
      'objects of one shape',
      (bytes) =>
        encoded(
          plain,
          counted(bytes, (id) => ({ id, name: 'x' }), 16),
        ),
    ],
    [
      'objects of ever new keys',
      (bytes) =>
        encoded(
          plain,
          counted(bytes, (id) => ({ [`key ${id}`]: 1, [`${id}`]: 2 }), 20),
        ),
    ],
    [
      'objects in objects',
      (bytes) =>
        Buffer.concat([
          Buffer.from(repeated('\u0081\u00a1a', bytes).slice(0, 3 * 300), 'latin1'),
          encoded(
            plain,
            counted(bytes, (id) => id, 4),
          ),
        ]),
    ],
    ['one object of many keys', (bytes) => encoded(plain, keyed(bytes / 4))],
    [
      'rows',
      (bytes) =>
        encoded(
          msgpack,
          counted(bytes, (id) => ({ id, name: `shelf ${id}`, at: 'x' }), 16),
        ),
    ],
    [
      'rows of many shapes',
      (bytes) =>
        encoded(
          msgpack,
          counted(bytes, (id) => ({ [`k${id % 200}`]: id, name: 'x' }), 12),
        ),
    ],
    [
      'bytes',
      (bytes) =>
        encoded(
          plain,
          counted(bytes, () => Buffer.alloc(100), 102),
        ),
    ],
    ['empty arrays', (bytes) => array32(bytes, Buffer.alloc(bytes, 0x90))],
    ['a count beyond what is there', (bytes) => array32(bytes + 1, Buffer.alloc(bytes, 0xc0))],
    [
      'timestamps',
      (bytes) =>
        array32(bytes / 8, Buffer.from(repeated('\u00d7\u00ff\0\0\0\x01\0\0\0\x01', (bytes / 8) * 10), 'latin1')),
    ],
  ])('of MessagePack: %s', (_, bodyOf) => expectLinear(body(msgpack, bodyOf), BODY_BYTES, 4), 120_000);

  const json = jsonCodec(NO_LIMITS);
  const jsonBody = (textOf: (bytes: number) => string) => body(json, (bytes) => Buffer.from(textOf(bytes)));

  it.each<[string, (bytes: number) => string]>([
    ['numbers', (bytes) => JSON.stringify(counted(bytes, (index) => index % 1_000, 4))],
    ['objects of one shape', (bytes) => JSON.stringify(counted(bytes, (id) => ({ id, name: 'x' }), 20))],
    ['one key again and again', (bytes) => `{${repeated('"key":1,', bytes)}"key":2}`],
    ['escapes, any of which may hide a key', (bytes) => JSON.stringify(counted(bytes, () => '\u0001', 9))],
    ['one text of escapes', (bytes) => `"${repeated('\\"', bytes)}"`],
    ['a text that does not end', (bytes) => `"${repeated('\\"', bytes)}`],
    ['spaces', (bytes) => `${repeated(' ', bytes)}1`],
    ['long numbers', (bytes) => `[${repeated('1234567890.12345e-5,', bytes)}1]`],
    ['what ends too early', (bytes) => `[${repeated('{"a":[1,2,3]},', bytes)}`],
  ])('of JSON: %s', (_, textOf) => expectLinear(jsonBody(textOf), BODY_BYTES, 4), 120_000);

  // The engine knows some thousand shapes of objects, and takes longer for all that are more: both sizes have more.
  it.each<[string, (bytes: number) => string]>([
    ['objects of ever new keys', (bytes) => JSON.stringify(counted(bytes, (id) => ({ [`key ${id}`]: 1 }), 16))],
    ['one object of many keys', (bytes) => `{${counted(bytes / 4, (id) => `"key ${id}":1`, 12).join(',')}}`],
    ['keys that are numbers', (bytes) => `{${counted(bytes, (id) => `"${id * 7}":1`, 9).join(',')}}`],
  ])('of JSON: %s', (_, textOf) => expectLinear(jsonBody(textOf), BODY_BYTES * 4, 2), 120_000);

  it.each<[string, string]>([
    ['JSON of brackets', '['],
    ['JSON of objects', '{"a":'],
    ['MessagePack of arrays', '\u0091'],
    ['MessagePack of objects', '\u0081\u00a1a'],
  ])('hardly at all where a body is nested too deep: %s', (what, part) => {
    const codec = what.startsWith('JSON') ? jsonCodec() : msgpackCodec();
    const bytes = Buffer.from(repeated(part, 16 * MIB), 'latin1');
    const startMs = performance.now();
    expect(() => codec.decode(bytes, 0, bytes.length)).toThrow(/nested/);
    expect(performance.now() - startMs).toBeLessThan(50);
  });

  it.each<[string, (index: number) => [string, string], number]>([
    ['small entries', (index) => [`k${index}`, ''], 6_000],
    ['one key', () => ['key', 'x'], 6_000],
    ['long values', (index) => [`k${index}`, 'x'.repeat(500)], 60_000],
  ])(
    'of a metadata block: %s',
    (_, entryOf, bytes) => {
      const limits = { ...WIRE_LIMITS, maxMetadataBytes: 65_535, maxMetadataKeys: 1_024 };
      expectLinear(
        (bytes) => {
          const parts: Buffer[] = [];
          for (let at = 0, index = 0; at < bytes; at += parts.at(-1)!.length) parts.push(entry(...entryOf(index++)));
          const block = Buffer.concat(parts);
          return () => {
            for (let times = 0; times < 100; times++) readMetadata(block, 0, block.length, limits);
          };
        },
        bytes,
        4,
      );
    },
    120_000,
  );

  it('of a MANIFEST', () => {
    expectLinear(
      (bytes) => {
        const patterns = counted(bytes, (id) => ({ pattern: `orders.${id}`, kind: 'message' }), 45);
        const manifest = Buffer.from(JSON.stringify({ patterns }));
        return () => void decodeManifest(manifest);
      },
      2 * MIB,
      4,
    );
  }, 120_000);
});

function decodeOrRefuse(codec: Codec, body: Buffer): void {
  try {
    codec.decode(body, 0, body.length);
  } catch (error) {
    if (!RookeryError.is(error)) throw error;
  }
}

function entry(key: string, value: string): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(value.length);
  return Buffer.concat([Buffer.from([key.length]), Buffer.from(key), size, Buffer.from(value)]);
}
