import type { FrameWriter } from '../frame-writer.js';
import { Unwritable } from './unwritable.js';

const float64 = new Float64Array(1);
const float64Bytes = new Uint8Array(float64.buffer);
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Integers of up to 32 bits in the shortest form, every other number as float64. */
export function writeNumber(value: number, writer: FrameWriter): void {
  const integer = value | 0;
  if (integer !== value) {
    if (value >>> 0 === value) writeUint32(value, writer);
    else writeFloat64(value, writer);
  } else if (integer > 0) {
    writePositive(integer, writer);
  } else if (integer < 0) {
    writeNegative(integer, writer);
  } else if (1 / value < 0) {
    writeFloat64(value, writer);
  } else {
    writer.uint8(0);
  }
}

function writePositive(value: number, writer: FrameWriter): void {
  if (value < 0x80) {
    writer.uint8(value);
  } else if (value < 0x100) {
    writer.uint16(0xcc00 | value);
  } else if (value < 0x1_0000) {
    writer.uint8(0xcd);
    writer.uint16(value);
  } else {
    writeUint32(value, writer);
  }
}

function writeUint32(value: number, writer: FrameWriter): void {
  writer.uint8(0xce);
  writer.uint32(value);
}

function writeNegative(value: number, writer: FrameWriter): void {
  if (value >= -0x20) {
    writer.uint8(value);
  } else if (value >= -0x80) {
    writer.uint16(0xd000 | (value & 0xff));
  } else if (value >= -0x8000) {
    writer.uint8(0xd1);
    writer.uint16(value);
  } else {
    writer.uint8(0xd2);
    writer.uint32(value);
  }
}

function writeFloat64(value: number, writer: FrameWriter): void {
  writer.reserve(9);
  const { bytes, length: at } = writer;
  float64[0] = value;
  bytes[at] = 0xcb;
  if (isLittleEndian) for (let index = 0; index < 8; index++) bytes[at + 1 + index] = float64Bytes[7 - index]!;
  else bytes.set(float64Bytes, at + 1);
  writer.length = at + 9;
}

/** Always 64 bits, which is what tells a bigint from a number. */
export function writeBigint(value: bigint, writer: FrameWriter): void {
  const isSigned = value < 0n;
  if (value !== (isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))) {
    throw new Unwritable('it is a bigint of more than 64 bits; send it as a string');
  }
  writer.uint8(isSigned ? 0xd3 : 0xcf);
  writer.uint32(Number(BigInt.asUintN(32, value >> 32n)));
  writer.uint32(Number(BigInt.asUintN(32, value)));
}

/** The specification's timestamp, in its shortest form; an invalid date is nil, as in JSON. */
export function writeDate(value: Date, writer: FrameWriter): void {
  const millis = value.getTime();
  if (Number.isNaN(millis)) return writer.uint8(0xc0);
  const seconds = Math.floor(millis / 1000);
  const nanos = (millis - seconds * 1000) * 1_000_000;
  const high = Math.floor(seconds / 0x1_0000_0000);
  if (high === 0 && nanos === 0) {
    writer.uint16(0xd6ff);
  } else if (high >= 0 && high < 4) {
    writer.uint16(0xd7ff);
    writer.uint32(nanos * 4 + high);
  } else {
    writer.uint8(0xc7);
    writer.uint16(0x0cff);
    writer.uint32(nanos);
    writer.uint32(high);
  }
  writer.uint32(seconds);
}

export function writeBinary(value: Uint8Array, writer: FrameWriter): void {
  const { length } = value;
  if (length < 0x100) {
    writer.uint16(0xc400 | length);
  } else if (length < 0x1_0000) {
    writer.uint8(0xc5);
    writer.uint16(length);
  } else {
    writer.uint8(0xc6);
    writer.uint32(length);
  }
  writer.raw(value);
}
