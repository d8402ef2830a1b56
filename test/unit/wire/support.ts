import { RookeryError } from '../../../lib/core/errors.js';
import type { Codec } from '../../../lib/wire/codec.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';

/** The RookeryError that a function must throw. */
export function errorOf(fails: () => unknown): RookeryError {
  try {
    fails();
  } catch (error) {
    if (RookeryError.is(error)) return error;
    throw error;
  }
  throw new Error('expected a RookeryError');
}

/** What a function writes. */
export function written(write: (writer: FrameWriter) => void): Buffer {
  const writer = new FrameWriter(Infinity);
  write(writer);
  return Buffer.from(writer.view());
}

export function encoded(codec: Codec, value: unknown): Buffer {
  return written((writer) => codec.encode(value, writer));
}

/** Decoded from the middle of a larger buffer, as bodies are. */
export function decoded(codec: Codec, bytes: Uint8Array): unknown {
  const around = Buffer.concat([Buffer.alloc(7, 0xff), bytes, Buffer.alloc(9, 0xff)]);
  return codec.decode(around, 7, 7 + bytes.length);
}

export function roundTrip(codec: Codec, value: unknown): unknown {
  return decoded(codec, encoded(codec, value));
}
