import { Packr } from 'msgpackr/pack';

import { RookeryError } from '../core/errors.js';
import type { Codec } from './codec.js';
import type { FrameWriter } from './frame-writer.js';

/** msgpackr's options for "leave the result in your buffer" and "and forget it at once": the bytes are copied out before the next call. */
const REUSE_BUFFER = 512;
const RESET_BUFFER = 1024;

type SharedBuffer = Buffer & { start: number; end: number };

const OPTIONS = { mapsAsObjects: true, skipValues: [undefined], encodeUndefinedAsNil: true } as object;

/**
 * MessagePack through msgpackr: plain values, `Buffer`s as they are, dates as the specification's timestamp. Keys that are `undefined` are
 * left out, as JSON does. Arrays of like objects are written with record definitions inside the message (half the bytes and the time);
 * for one small object those cost more than they save.
 */
export function msgpackCodec(): Codec {
  return new MsgpackCodec();
}

class MsgpackCodec implements Codec {
  readonly name = 'msgpack';
  private readonly plain = new Packr({ ...OPTIONS, useRecords: false });
  private readonly records = new Packr({ ...OPTIONS, useRecords: true });
  /** Reused for every decode: msgpackr reads it before anything else can run. */
  private readonly range = { start: 0, end: 0 };

  encode(value: unknown, writer: FrameWriter): void {
    const packr = hasRows(value) ? this.records : this.plain;
    try {
      const packed = packr.pack(value, REUSE_BUFFER | RESET_BUFFER) as SharedBuffer;
      writer.slice(packed, packed.start, packed.end);
    } catch (cause) {
      throw encodeFailed(cause);
    }
  }

  decode(bytes: Buffer, start: number, end: number): unknown {
    this.range.start = start;
    this.range.end = end;
    try {
      return this.records.unpack(bytes, this.range);
    } catch (cause) {
      throw new RookeryError('DECODE_FAILED', `the body is not valid msgpack: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Rows worth a record definition: at least this many. */
const MIN_ROWS = 4;

/** True where the value, or something it directly holds, is an array of objects. */
function hasRows(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return isRows(value);
  for (const key in value) {
    const held = (value as Record<string, unknown>)[key];
    if (Array.isArray(held) && isRows(held)) return true;
  }
  return false;
}

function isRows(array: unknown[]): boolean {
  const first = array.length >= MIN_ROWS ? array[0] : undefined;
  return typeof first === 'object' && first !== null && !Array.isArray(first) && !ArrayBuffer.isView(first);
}

function encodeFailed(cause: unknown): RookeryError {
  const why = cause instanceof RangeError && /call stack/i.test(cause.message) ? 'it refers to itself, or is nested too deeply' : messageOf(cause);
  return new RookeryError('ENCODE_FAILED', `the value cannot be written as msgpack: ${why}; send plain data`, { cause });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
