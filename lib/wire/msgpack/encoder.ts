import { types } from 'node:util';

import { isForbiddenKey } from '../decode-limits.js';
import type { FrameWriter } from '../frame-writer.js';
import { widenMapHeader, writeArrayHeader } from './headers.js';
import { MAX_SHARED_UNITS, RowText } from './row-text.js';
import { Unwritable } from './unwritable.js';
import { writeBigint, writeBinary, writeDate, writeNumber } from './write-scalars.js';
import { writeText, writeTextHeader } from './write-text.js';
import { keysOf, type WrittenShape, WrittenShapes } from './written-shapes.js';

/** The extension type of rows: `R`. */
const ROWS_TYPE = 0x52;
/** Rows worth naming their keys once: at least this many. */
const MIN_ROWS = 4;
/** Shapes in one array of rows; objects of further ones are written with their keys. */
const MAX_ROW_SHAPES = 255;

/** ext 32 header and the length of the values, known once they are written. */
const ROWS_HEADER_BYTES = 10;
const EXT_HEADER_BYTES = 6;

type PlainObject = Record<string, unknown>;

/** Writes values in place; one value at a time, and nothing of it is kept afterwards. */
export class MsgpackEncoder {
  /** Where the value being written goes; `undefined` between values. */
  private writer: FrameWriter | undefined;
  private depth = 0;

  private readonly shapes = new WrittenShapes();
  private readonly text = new RowText();
  private readonly rowShapes: WrittenShape[] = [];
  private isInRows = false;
  /** Objects inside rows are written with their keys for now. */
  private mapsOnly = false;
  /** Tells these rows from the ones before, so that no shape's index need be reset. */
  private rowsId = 0;

  constructor(
    private readonly maxDepth: number,
    private readonly writesRows: boolean,
  ) {}

  /** @throws RookeryError `ENCODE_FAILED`; part of the value is then still in the writer */
  encode(value: unknown, writer: FrameWriter): void {
    if (this.writer !== undefined) return this.encodeWithin(value, writer);
    this.writer = writer;
    try {
      if (!this.write(value, writer)) throw new Unwritable(`it is ${kindOf(value)}; send plain data`);
    } catch (error) {
      this.leaveRows();
      throw Unwritable.from(error).toRookeryError();
    } finally {
      this.writer = undefined;
      this.depth = 0;
    }
  }

  /** A `toJSON` or getter of the value being written sends a message itself, which must not land in the middle of that one. */
  private encodeWithin(value: unknown, writer: FrameWriter): void {
    if (writer !== this.writer) return new MsgpackEncoder(this.maxDepth, this.writesRows).encode(value, writer);
    throw new Unwritable('a toJSON or getter of a message that is being written sends it').toRookeryError();
  }

  /** @returns false for what JSON leaves out: `undefined`, functions, symbols. Then nothing was written */
  private write(value: unknown, writer: FrameWriter): boolean {
    switch (typeof value) {
      case 'string':
        this.writeString(value, writer);
        return true;
      case 'number':
        writeNumber(value, writer);
        return true;
      case 'object':
        if (value !== null) return this.writeObject(value, writer);
        writer.uint8(0xc0);
        return true;
      case 'boolean':
        writer.uint8(value ? 0xc3 : 0xc2);
        return true;
      case 'bigint':
        writeBigint(value, writer);
        return true;
      case 'undefined':
      case 'function':
      case 'symbol':
        return false;
    }
  }

  private writeString(text: string, writer: FrameWriter): void {
    if (!this.isInRows || text.length > MAX_SHARED_UNITS) return writeText(text, writer);
    writeTextHeader(text.length, writer);
    this.text.add(text);
  }

  private writeObject(value: object, writer: FrameWriter): boolean {
    if (Array.isArray(value)) this.writeArray(value, writer);
    else if (ArrayBuffer.isView(value)) writeView(value, writer);
    else if (typeof (value as PlainObject)['toJSON'] === 'function') return this.writeConvertible(value, writer);
    else this.writeRecord(value as PlainObject, writer);
    return true;
  }

  /** What has a `toJSON`, which is asked once, as `JSON.stringify` does. */
  private writeConvertible(value: object, writer: FrameWriter): boolean {
    if (types.isDate(value)) {
      writeDate(value, writer);
      return true;
    }
    const json: unknown = (value as { toJSON(): unknown }).toJSON();
    if (typeof json !== 'object' || json === null) return this.write(json, writer);
    if (Array.isArray(json)) this.writeArray(json, writer);
    else if (ArrayBuffer.isView(json)) writeView(json, writer);
    else if (types.isDate(json)) writeDate(json, writer);
    else this.writeRecord(json as PlainObject, writer);
    return true;
  }

  private writeArray(array: readonly unknown[], writer: FrameWriter): void {
    if (!this.writesRows || this.isInRows || !isRows(array)) this.writeElements(array, writer);
    else this.writeRows(array, writer);
  }

  private writeElements(elements: readonly unknown[], writer: FrameWriter): void {
    this.enter();
    writeArrayHeader(elements.length, writer);
    let index = 0;
    try {
      for (; index < elements.length; index++) {
        if (!this.write(elements[index], writer)) writer.uint8(0xc0);
      }
    } catch (error) {
      throw Unwritable.at(index, error);
    }
    this.depth--;
  }

  private writeRecord(object: PlainObject, writer: FrameWriter): void {
    this.enter();
    if (this.isInRows && !this.mapsOnly) this.writeRow(object, writer);
    else this.writeMap(object, writer);
    this.depth--;
  }

  /** What has no keys of its own may be something else than an object of none. Asking only then spares all others the question. */
  private writeKeyless(object: object, writer: FrameWriter): void {
    if (types.isMap(object)) this.writeMap(recordOf(object), writer);
    else if (types.isSet(object)) this.writeArray([...object], writer);
    else if (types.isBoxedPrimitive(object)) this.write(object.valueOf(), writer);
    else if (types.isAnyArrayBuffer(object)) throw new Unwritable('it is an ArrayBuffer; send a Buffer over it');
    else writer.uint8(0x80);
  }

  private writeMap(object: PlainObject, writer: FrameWriter): void {
    const start = writer.length;
    let count = 0;
    let key = '';
    writer.uint8(0x80);
    try {
      for (key of Object.keys(object)) {
        const value = object[key];
        if (value === undefined) continue;
        const at = writer.length;
        writeKey(key, writer);
        if (this.write(value, writer)) count++;
        else writer.length = at;
      }
    } catch (error) {
      throw Unwritable.at(key, error);
    }
    if (count === 0) {
      writer.length = start;
      this.writeKeyless(object, writer);
    } else if (count < 0x10) {
      writer.bytes[start] = 0x80 | count;
    } else {
      widenMapHeader(start, count, writer);
    }
  }

  /** An object inside rows: the index of its shape, then its values. */
  private writeRow(object: PlainObject, writer: FrameWriter): void {
    const { text, shapes } = this;
    const start = writer.length;
    const { chunk, full } = text;
    let shape: WrittenShape | undefined = shapes.empty;
    let key = '';
    writer.uint16(0xc100);
    try {
      for (key of Object.keys(object)) {
        if (!this.write(object[key], writer)) continue;
        shape = shapes.step(shape, key);
        if (shape === undefined) break;
      }
    } catch (error) {
      throw Unwritable.at(key, error);
    }
    if (shape === shapes.empty) {
      writer.length = start;
      this.writeKeyless(object, writer);
    } else if (shape !== undefined && this.isNamed(shape)) {
      writer.bytes[start + 1] = shape.index;
    } else {
      writer.length = start;
      text.rewind(chunk, full);
      this.writeMapInRows(object, writer);
    }
  }

  /** True once the shape has an index in these rows. */
  private isNamed(shape: WrittenShape): boolean {
    if (shape.rowsId === this.rowsId) return true;
    const { length } = this.rowShapes;
    if (length === MAX_ROW_SHAPES) return false;
    shape.rowsId = this.rowsId;
    shape.index = length;
    this.rowShapes.push(shape);
    return true;
  }

  /** What it holds is written with keys too: tried as rows at each level, it would be written twice per level. */
  private writeMapInRows(object: PlainObject, writer: FrameWriter): void {
    const before = this.mapsOnly;
    this.mapsOnly = true;
    this.writeMap(object, writer);
    this.mapsOnly = before || this.rowShapes.length === MAX_ROW_SHAPES;
  }

  private writeRows(rows: readonly unknown[], writer: FrameWriter): void {
    const start = writer.length;
    writer.reserve(ROWS_HEADER_BYTES);
    writer.length += ROWS_HEADER_BYTES;
    this.isInRows = true;
    this.rowsId++;
    this.writeElements(rows, writer);
    const valuesEnd = writer.length;
    writer.uint8(this.rowShapes.length);
    for (const shape of this.rowShapes) writeShape(shape, writer);
    this.text.writeTo(writer);
    this.leaveRows();
    writer.bytes[start] = 0xc9;
    writer.patchUint32(start + 1, writer.length - start - EXT_HEADER_BYTES);
    writer.bytes[start + 5] = ROWS_TYPE;
    writer.patchUint32(start + EXT_HEADER_BYTES, valuesEnd - start - ROWS_HEADER_BYTES);
  }

  private leaveRows(): void {
    this.isInRows = false;
    this.mapsOnly = false;
    this.rowShapes.length = 0;
    this.text.rewind('', 0);
  }

  private enter(): void {
    if (++this.depth > this.maxDepth) {
      throw new Unwritable(`it refers to itself or is nested deeper than ${this.maxDepth}; send plain data`);
    }
  }
}

function isRows(array: readonly unknown[]): boolean {
  return array.length >= MIN_ROWS && isRow(array[0]) && isRow(array[1]);
}

function isRow(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !types.isDate(value) &&
    !ArrayBuffer.isView(value)
  );
}

function writeView(view: ArrayBufferView, writer: FrameWriter): void {
  if (!types.isUint8Array(view)) throw new Unwritable(`it is ${kindOf(view)}; send a Buffer or an array`);
  writeBinary(view, writer);
}

function writeKey(key: string, writer: FrameWriter): void {
  if (isForbiddenKey(key)) throw forbidden(key);
  writeText(key, writer);
}

function writeShape(shape: WrittenShape, writer: FrameWriter): void {
  writer.uint8(shape.size);
  for (const key of keysOf(shape)) writeKey(key, writer);
}

function recordOf(map: ReadonlyMap<unknown, unknown>): PlainObject {
  const record: PlainObject = {};
  for (const [key, value] of map) {
    if (typeof key !== 'string' && typeof key !== 'number')
      throw new Unwritable(`it is a Map with a key that is ${kindOf(key)}; use strings`);
    if (key === '__proto__') throw forbidden(key);
    record[key] = value;
  }
  return record;
}

function forbidden(key: string): Unwritable {
  return new Unwritable(`receivers refuse the key ${JSON.stringify(key)}; rename it`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  return `a ${value.constructor?.name ?? 'object'}`;
}
