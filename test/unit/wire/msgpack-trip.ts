import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';

const LIMIT = 64 * 1024 * 1024;

export function encoded(value: unknown, codec = msgpackCodec()): Buffer {
  const writer = new FrameWriter(LIMIT);
  codec.encode(value, writer);
  return Buffer.from(writer.view());
}

export function decoded(bytes: Uint8Array, codec = msgpackCodec()): unknown {
  return codec.decode(Buffer.from(bytes), 0, bytes.length);
}

/** Encoded, and decoded from the middle of a larger buffer, as frames are. */
export function tripped(value: unknown, codec = msgpackCodec()): unknown {
  const bytes = encoded(value, codec);
  const framed = Buffer.concat([Buffer.alloc(7, 0xc1), bytes, Buffer.alloc(5, 0x90)]);
  return codec.decode(framed, 7, 7 + bytes.length);
}

/** A plain value as JSON's rules deliver it, except for what MessagePack can keep. */
export function arriving(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => arriving(element) ?? null);
  if (typeof value !== 'object' || value === null || value instanceof Date || Buffer.isBuffer(value)) return value;
  const kept = Object.entries(value).filter(([, held]) => held !== undefined);
  return Object.fromEntries(kept.map(([key, held]) => [key, arriving(held)]));
}

/** The keys of all objects in a value, in their order, which `toStrictEqual` ignores. */
export function keysInOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date || Buffer.isBuffer(value)) return undefined;
  return Object.entries(value).map(([key, held]) => [key, keysInOrder(held)]);
}
