import type { Codec } from './codec.js';
import { Flag } from './frame.js';
import type { FrameWriter } from './frame-writer.js';

/** Flags a value's body needs: bytes travel as they are, whatever the codec. */
export function bodyFlags(value: unknown): number {
  return value instanceof Uint8Array ? Flag.RAW : 0;
}

/** Appends a body. `undefined` is an empty one. */
export function writeBody(value: unknown, codec: Codec, writer: FrameWriter): void {
  if (value === undefined) return;
  if (value instanceof Uint8Array) writer.raw(value);
  else codec.encode(value, writer);
}

/** Reads a body. Bytes come back as a `Buffer` over memory nobody writes to again. */
export function readBody(flags: number, codec: Codec, bytes: Buffer, start: number, end: number): unknown {
  if ((flags & Flag.RAW) !== 0) return bytes.subarray(start, end);
  return start === end ? undefined : codec.decode(bytes, start, end);
}
