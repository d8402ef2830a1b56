import { uint32 } from '../frame-decoder.js';
import { undecodable } from './undecodable.js';

const words = new Uint32Array(2);
const float64 = new Float64Array(words.buffer);
const float32 = new Float32Array(words.buffer);
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const HIGH = isLittleEndian ? 1 : 0;

export function readFloat64(bytes: Buffer, at: number): number {
  words[HIGH] = uint32(bytes, at);
  words[1 - HIGH] = uint32(bytes, at + 4);
  return float64[0]!;
}

export function readFloat32(bytes: Buffer, at: number): number {
  words[0] = uint32(bytes, at);
  return float32[0]!;
}

/** The specification's timestamp in any of its three forms; `count` is the length of its content. */
export function readTimestamp(bytes: Buffer, at: number, count: number): Date {
  if (count === 4) return new Date(uint32(bytes, at) * 1000);
  if (count === 8) {
    const first = uint32(bytes, at);
    return dateOf((first % 4) * 0x1_0000_0000 + uint32(bytes, at + 4), Math.floor(first / 4));
  }
  if (count === 12)
    return dateOf((uint32(bytes, at + 4) | 0) * 0x1_0000_0000 + uint32(bytes, at + 8), uint32(bytes, at));
  throw undecodable(`it holds a timestamp of ${count} bytes`);
}

function dateOf(seconds: number, nanos: number): Date {
  return new Date(seconds * 1000 + Math.floor(nanos / 1_000_000));
}
