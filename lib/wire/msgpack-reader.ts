import { RookeryError } from '../core/errors.js';
import { DECODE_LIMITS, FORBIDDEN_KEYS } from './decode-limits.js';
import { uint32 } from './frame-decoder.js';

/** Objects of one shape are written as a definition of their keys and rows of values; a body has at most so many shapes. */
export const MAX_RECORDS = 16;
/** The byte that names the first shape; the last is `FIRST_RECORD + MAX_RECORDS - 1`. */
const FIRST_RECORD = 0x40;
/** Extension types: the specification's timestamp (-1), and the definition of a record ("r"). */
const TIMESTAMP = 0xff;
const RECORD = 0x72;

const HIGHEST_FIXED_STRING = 0xbf;
const CACHED_KEYS = 1_024;
const CACHED_KEY_BYTES = 32;

interface CachedKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Reads what PROTOCOL.md calls msgpack: plain values, the timestamp extension, and record definitions. All other extensions are refused, so
 * that bytes from a peer cannot bring forth cycles, regular expressions or generated code, and depth and number of values are bounded. One
 * pass, linear in the bytes.
 */
export class MsgpackReader {
  private bytes: Buffer = EMPTY;
  private at = 0;
  private end = 0;
  private values = 0;
  /** Keys of the shapes defined in this body so far. */
  private readonly shapes: (readonly string[])[] = [];
  /** Keys seen before, by a hash of their bytes: most are, and a string made once is cheaper. */
  private readonly keys = new Array<CachedKey | undefined>(CACHED_KEYS).fill(undefined);

  /** Reads one value that takes all of `bytes[start, end)`. @throws RookeryError `DECODE_FAILED` */
  read(bytes: Buffer, start: number, end: number): unknown {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.values = 0;
    this.shapes.length = 0;
    try {
      const value = this.value(0);
      if (this.at !== end) throw invalid(this.at > end ? 'it ends within a value' : `${end - this.at} bytes follow the value`);
      return value;
    } finally {
      this.bytes = EMPTY;
    }
  }

  private value(depth: number): unknown {
    if (this.at >= this.end) throw truncated();
    if (++this.values > DECODE_LIMITS.maxValues) throw invalid(`it holds more than ${DECODE_LIMITS.maxValues} values; send less, or stream it`);
    const token = this.bytes[this.at++]!;
    if (token < 0x80) {
      const shape = token < FIRST_RECORD ? undefined : this.shapes[token - FIRST_RECORD];
      return shape === undefined ? token : this.record(shape, depth + 1);
    }
    if (token >= 0xe0) return token - 0x100;
    if (token < 0x90) return this.map(token & 0x0f, depth + 1);
    if (token < 0xa0) return this.array(token & 0x0f, depth + 1);
    return token <= HIGHEST_FIXED_STRING ? this.text(token & 0x1f) : this.other(token, depth);
  }

  private map(count: number, depth: number): object {
    checkDepth(depth);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      const key = this.key();
      object[key] = this.value(depth);
    }
    return object;
  }

  private record(keys: readonly string[], depth: number): object {
    checkDepth(depth);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < keys.length; index++) object[keys[index]!] = this.value(depth);
    return object;
  }

  /** Grows with what is there, not with what is announced. */
  private array(count: number, depth: number): unknown[] {
    checkDepth(depth);
    const array: unknown[] = [];
    for (let index = 0; index < count; index++) array.push(this.value(depth));
    return array;
  }

  private key(): string {
    const token = this.bytes[this.at]!;
    if (token < 0xa0 || token > HIGHEST_FIXED_STRING) return this.unusualKey();
    const start = this.at + 1;
    const count = token & 0x1f;
    const end = start + count;
    if (end > this.end) throw truncated();
    this.at = end;
    return this.cachedKey(start, end);
  }

  private cachedKey(start: number, end: number): string {
    const { bytes, keys } = this;
    let hash = end - start;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193);
    const slot = (hash ^ (hash >>> 15)) & (CACHED_KEYS - 1);
    const cached = keys[slot];
    if (cached !== undefined && equals(cached.bytes, bytes, start, end)) return cached.text;
    const text = allowed(bytes.utf8Slice(start, end));
    keys[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), text };
    return text;
  }

  /** A long string, or a number, which becomes the text JavaScript makes of it. */
  private unusualKey(): string {
    const key = this.value(DECODE_LIMITS.maxDepth);
    if (typeof key === 'string') return allowed(key);
    if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
    throw invalid('a key is neither text nor a number');
  }

  private text(count: number): string {
    const start = this.at;
    const end = start + count;
    if (end > this.end) throw truncated();
    this.at = end;
    return count < CACHED_KEY_BYTES ? shortText(this.bytes, start, end) : this.bytes.utf8Slice(start, end);
  }

  private other(token: number, depth: number): unknown {
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xd9:
        return this.text(this.uint(1));
      case 0xda:
        return this.text(this.uint(2));
      case 0xdb:
        return this.text(this.uint(4));
      case 0xdc:
        return this.array(this.uint(2), depth + 1);
      case 0xdd:
        return this.array(this.uint(4), depth + 1);
      case 0xde:
        return this.map(this.uint(2), depth + 1);
      case 0xdf:
        return this.map(this.uint(4), depth + 1);
      default:
        return token < 0xc7 ? this.binary(token) : token < 0xd4 && token > 0xc9 ? this.number(token) : this.extension(token, depth);
    }
  }

  private number(token: number): number | bigint {
    const at = this.skip(NUMBER_BYTES[token - 0xca]!);
    const { bytes } = this;
    switch (token) {
      case 0xca:
        return bytes.readFloatBE(at);
      case 0xcb:
        return float64(bytes, at);
      case 0xcc:
        return bytes[at]!;
      case 0xcd:
        return (bytes[at]! << 8) | bytes[at + 1]!;
      case 0xce:
        return uint32(bytes, at);
      case 0xcf:
        return bytes.readBigUInt64BE(at);
      case 0xd0:
        return (bytes[at]! << 24) >> 24;
      case 0xd1:
        return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16;
      case 0xd2:
        return uint32(bytes, at) | 0;
      default:
        return bytes.readBigInt64BE(at);
    }
  }

  /** A view of the bytes as they arrived. */
  private binary(token: number): Buffer {
    if (token < 0xc4) throw invalid('it has the byte 0xc1, which means nothing');
    const count = this.uint(1 << (token - 0xc4));
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  private extension(token: number, depth: number): unknown {
    const size = token < 0xd4 ? this.uint(1 << (token - 0xc7)) : 1 << (token - 0xd4);
    const type = this.uint(1);
    if (type === RECORD && token === 0xd4) return this.defineRecord(depth);
    if (type === TIMESTAMP) return timestamp(this.bytes, this.skip(size), size);
    throw invalid(`it has the extension type ${type}, and only timestamps are known`);
  }

  /** The shape's id, its keys as an array of strings, and the values of its first object. */
  private defineRecord(depth: number): object {
    const index = this.uint(1) - FIRST_RECORD;
    if (index !== this.shapes.length || index >= MAX_RECORDS) throw invalid('a record definition is out of turn');
    const token = this.uint(1);
    const count = token >= 0x90 && token < 0xa0 ? token & 0x0f : token === 0xdc ? this.uint(2) : -1;
    if (count < 0) throw invalid('a record definition lists no keys');
    const keys: string[] = [];
    for (let key = 0; key < count; key++) {
      if (this.at >= this.end) throw truncated();
      keys.push(this.key());
    }
    this.shapes.push(keys);
    return this.record(keys, depth + 1);
  }

  /** A big-endian integer of 1, 2 or 4 bytes. */
  private uint(size: number): number {
    const at = this.skip(size);
    const { bytes } = this;
    return size === 1 ? bytes[at]! : size === 2 ? (bytes[at]! << 8) | bytes[at + 1]! : uint32(bytes, at);
  }

  /** Takes so many bytes. @returns where they start */
  private skip(count: number): number {
    const start = this.at;
    if (start + count > this.end) throw truncated();
    this.at = start + count;
    return start;
  }
}

const EMPTY = Buffer.alloc(0);
/** Bytes behind the tokens 0xca to 0xd3. */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Twice as quick as `readDoubleBE`. */
function float64(bytes: Buffer, at: number): number {
  for (let index = 0; index < 8; index++) floatBytes[isLittleEndian ? 7 - index : index] = bytes[at + index]!;
  return float[0]!;
}

/** Text that is mostly ASCII and often short, without a call into the engine's UTF-8 decoder where it can be spared. */
function shortText(bytes: Buffer, start: number, end: number): string {
  let all = 0;
  for (let at = start; at < end; at++) all |= bytes[at]!;
  if (all >= 0x80) return bytes.utf8Slice(start, end);
  const a = bytes[start]!;
  const b = bytes[start + 1]!;
  const c = bytes[start + 2]!;
  const d = bytes[start + 3]!;
  switch (end - start) {
    case 0:
      return '';
    case 1:
      return String.fromCharCode(a);
    case 2:
      return String.fromCharCode(a, b);
    case 3:
      return String.fromCharCode(a, b, c);
    case 4:
      return String.fromCharCode(a, b, c, d);
    default:
      return bytes.latin1Slice(start, end);
  }
}

function timestamp(bytes: Buffer, at: number, size: number): Date {
  if (size === 4) return new Date(uint32(bytes, at) * 1_000);
  if (size === 8) {
    const nanosAndHigh = uint32(bytes, at);
    const seconds = (nanosAndHigh & 0x3) * 0x1_0000_0000 + uint32(bytes, at + 4);
    return new Date(seconds * 1_000 + (nanosAndHigh >>> 2) / 1_000_000);
  }
  if (size === 12) return new Date(Number(bytes.readBigInt64BE(at + 4)) * 1_000 + uint32(bytes, at) / 1_000_000);
  throw invalid(`a timestamp of ${size} bytes`);
}

function equals(known: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let index = 0; index < known.length; index++) if (known[index] !== bytes[start + index]) return false;
  return true;
}

function allowed(key: string): string {
  if (FORBIDDEN_KEYS.has(key)) throw invalid(`it has the key "${key}", which is refused; rename it`);
  return key;
}

function checkDepth(depth: number): void {
  if (depth > DECODE_LIMITS.maxDepth) throw invalid(`it is nested more than ${DECODE_LIMITS.maxDepth} deep; send it flatter`);
}

function truncated(): RookeryError {
  return invalid('it ends within a value');
}

function invalid(why: string): RookeryError {
  return new RookeryError('DECODE_FAILED', `the body is not msgpack that this end takes: ${why}`);
}
