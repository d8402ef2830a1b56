import type { DecodeLimits } from '../decode-limits.js';
import { uint32 } from '../frame-decoder.js';
import { NO_BYTES as NO_KEY, ReadShape } from './read-shape.js';
import { keyBytes, MAX_KEYS, readKey, ReadShapes } from './read-shapes.js';
import { readFloat32, readFloat64, readTimestamp } from './read-scalars.js';
import { readText } from './read-text.js';
import { RowsReader } from './rows-reader.js';
import { truncated, undecodable } from './undecodable.js';

const TIMESTAMP_TYPE = 0xff;
/** The extension type of rows: `R`. */
const ROWS_TYPE = 0x52;
/** Kept for the values of objects under way; a body that needed more gives the rest back. */
const KEPT_VALUES = 1_024;
const NO_BODY = Buffer.alloc(0);

/**
 * Reads one value at a time under limits: every count is compared with the bytes that are left before anything is made for it, and
 * nesting and the number of values are bounded, so that no body costs more than its length justifies.
 */
export class MsgpackDecoder {
  private bytes: Buffer = NO_BODY;
  private at = 0;
  private end = 0;
  private depth = 0;
  private nodes = 0;

  private readonly shapes = new ReadShapes();
  private readonly rows = new RowsReader();
  private isInRows = false;
  /** Values of the objects under way: an object is made of its own once the last is there. */
  private readonly values: unknown[] = [];
  private top = 0;

  constructor(private readonly limits: DecodeLimits) {}

  /** @throws RookeryError `DECODE_FAILED` */
  decode(bytes: Buffer, start: number, end: number): unknown {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.depth = 0;
    this.nodes = 1;
    this.top = 0;
    this.shapes.beginBody();
    try {
      const value = this.read();
      if (this.at !== end) throw undecodable(`${end - this.at} bytes follow the value`);
      return value;
    } finally {
      this.forget();
    }
  }

  /** Nothing of a body outlives its decoding here. */
  private forget(): void {
    this.bytes = NO_BODY;
    if (this.isInRows) {
      this.isInRows = false;
      this.rows.clear();
    }
    const { values } = this;
    if (values.length > KEPT_VALUES) values.length = 0;
    for (let index = 0; index < values.length && values[index] !== undefined; index++) values[index] = undefined;
  }

  private read(): unknown {
    const { bytes, at } = this;
    if (at >= this.end) throw truncated();
    const token = bytes[at]!;
    this.at = at + 1;
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    if (token < 0xc0) {
      if (token >= 0xa0) return this.readString(token & 0x1f);
      return token < 0x90 ? this.readMap(token & 0x0f) : this.readArray(token & 0x0f);
    }
    return this.readToken(token);
  }

  private readToken(token: number): unknown {
    switch (token) {
      case 0xc0:
        return null;
      case 0xc1:
        return this.readRow();
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return readFloat32(this.bytes, this.take(4));
      case 0xcb:
        return readFloat64(this.bytes, this.take(8));
      case 0xcc:
        return this.uint8();
      case 0xcd:
        return this.uint16();
      case 0xce:
        return this.uint32();
      case 0xcf:
        return this.bytes.readBigUInt64BE(this.take(8));
      case 0xd0:
        return (this.uint8() << 24) >> 24;
      case 0xd1:
        return (this.uint16() << 16) >> 16;
      case 0xd2:
        return this.uint32() | 0;
      case 0xd3:
        return this.bytes.readBigInt64BE(this.take(8));
      default:
        return this.readLong(token);
    }
  }

  /** What has its length in front. */
  private readLong(token: number): unknown {
    switch (token) {
      case 0xc4:
        return this.readBinary(this.uint8());
      case 0xc5:
        return this.readBinary(this.uint16());
      case 0xc6:
        return this.readBinary(this.uint32());
      case 0xc7:
        return this.readExtension(this.uint8());
      case 0xc8:
        return this.readExtension(this.uint16());
      case 0xc9:
        return this.readExtension(this.uint32());
      case 0xd9:
        return this.readString(this.uint8());
      case 0xda:
        return this.readInlineString(this.uint16());
      case 0xdb:
        return this.readInlineString(this.uint32());
      case 0xdc:
        return this.readArray(this.uint16());
      case 0xdd:
        return this.readArray(this.uint32());
      case 0xde:
        return this.readMap(this.uint16());
      case 0xdf:
        return this.readMap(this.uint32());
      default:
        return this.readExtension(1 << (token - 0xd4));
    }
  }

  /** Moves over `count` bytes. @returns where they start */
  private take(count: number): number {
    const { at } = this;
    if (count > this.end - at) throw truncated();
    this.at = at + count;
    return at;
  }

  private uint8(): number {
    return this.bytes[this.take(1)]!;
  }

  private uint16(): number {
    const at = this.take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  private uint32(): number {
    return uint32(this.bytes, this.take(4));
  }

  /** Short text, which in rows stands apart. */
  private readString(count: number): string {
    if (this.isInRows) return this.rows.text(count);
    return readText(this.bytes, this.take(count), count);
  }

  private readInlineString(count: number): string {
    return readText(this.bytes, this.take(count), count);
  }

  private readBinary(count: number): Buffer {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  private readArray(count: number): unknown[] {
    this.enter(count, count);
    const array = new Array<unknown>(count);
    for (let index = 0; index < count; index++) array[index] = this.read();
    this.depth--;
    return array;
  }

  /** Checks a container's counts before anything is made for it. */
  private enter(count: number, leastBytes: number): void {
    this.count(count, leastBytes);
    if (++this.depth > this.limits.maxDepth) throw undecodable(`it is nested deeper than ${this.limits.maxDepth}`);
  }

  private count(count: number, leastBytes: number): void {
    if (leastBytes > this.end - this.at) throw truncated();
    this.nodes += count;
    if (this.nodes > this.limits.maxNodes) {
      throw undecodable(`it holds more than ${this.limits.maxNodes} values; send less, or stream it`);
    }
  }

  private readMap(count: number): object {
    this.enter(count, count * 2);
    const { shapes, bytes } = this;
    const base = this.top;
    let shape = shapes.empty;
    for (let index = 0; index < count; index++) {
      const next = shapes.step(shape, bytes, this.at, this.end);
      if (next === undefined) return this.readDictionary(shape, base, count);
      this.at += next.encoded.length;
      this.values[this.top++] = this.read();
      shape = next;
    }
    this.depth--;
    this.top = base;
    return shape.create(this.values, base);
  }

  /** The rest of an object whose keys are not worth remembering. */
  private readDictionary(shape: ReadShape, base: number, count: number): object {
    const object = shape.create(this.values, base) as Record<string, unknown>;
    this.top = base;
    for (let index = shape.size; index < count; index++) {
      const key = readKey(this.bytes, this.at, this.end);
      this.at += keyBytes(this.bytes, this.at);
      object[key] = this.read();
    }
    this.depth--;
    return object;
  }

  /** An object inside rows: the index of its shape, then its values. */
  private readRow(): object {
    if (!this.isInRows) throw undecodable('it holds the byte 0xc1');
    const shape = this.rows.shapes[this.uint8()];
    if (shape === undefined) throw undecodable('a row has a shape that was not named');
    const { size } = shape;
    this.enter(size, size);
    const { values, top: base } = this;
    for (let index = 0; index < size; index++) values[this.top++] = this.read();
    this.depth--;
    this.top = base;
    return shape.create(values, base);
  }

  private readExtension(count: number): unknown {
    const type = this.uint8();
    const at = this.take(count);
    if (type === TIMESTAMP_TYPE) return readTimestamp(this.bytes, at, count);
    if (type === ROWS_TYPE && !this.isInRows) return this.readRows(at, at + count);
    throw undecodable(`it holds the extension type ${(type << 24) >> 24}${this.isInRows ? ' within rows' : ''}`);
  }

  private readRows(start: number, extensionEnd: number): unknown {
    const { bytes, end } = this;
    this.at = start;
    this.end = extensionEnd;
    const valuesBytes = this.uint32();
    const valuesStart = this.at;
    const valuesEnd = this.take(valuesBytes) + valuesBytes;
    this.isInRows = true;
    const named = this.uint8();
    this.count(named, named);
    for (let shape = 0; shape < named; shape++) this.rows.shapes.push(this.readShape(this.uint8()));
    this.rows.beginText(bytes, this.at, extensionEnd);
    this.at = valuesStart;
    this.end = valuesEnd;
    const value = this.read();
    if (this.at !== valuesEnd) throw undecodable(`${valuesEnd - this.at} bytes follow its rows`);
    this.rows.finish();
    this.isInRows = false;
    this.at = extensionEnd;
    this.end = end;
    return value;
  }

  /** The keys of a shape. */
  private readShape(count: number): ReadShape {
    if (count > MAX_KEYS) throw undecodable(`its rows name a shape of more than ${MAX_KEYS} keys`);
    this.count(count, count);
    let shape = this.shapes.empty;
    for (let index = 0; index < count; index++) {
      const next = this.shapes.step(shape, this.bytes, this.at, this.end);
      const bytes = next === undefined ? keyBytes(this.bytes, this.at) : next.encoded.length;
      shape = next ?? new ReadShape(readKey(this.bytes, this.at, this.end), NO_KEY, shape);
      this.at += bytes;
    }
    return shape;
  }
}
