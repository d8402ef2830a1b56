import { HEADER_BYTES, PREFACE } from '../../../lib/wire/frame.js';
import type { Draw } from './draw.js';
import { EVERY_FRAME, LARGE_FRAMES, MAX_PAYLOAD_BYTES, TELLING_BYTES } from './frames.js';

const STRANGERS = ['GET / HTTP/1.1\r\n\r\n', '\u0016\u0003\u0001', 'ROOKERY\u0002', 'rookery\u0001', '25#{"id":1}'].map(
  (text) => Buffer.from(text, 'latin1'),
);

/** Lengths that lie: about what follows, or about what can be. */
const LENGTHS = [
  0,
  1,
  4,
  11,
  12,
  13,
  255,
  256,
  4_096,
  4_097,
  MAX_PAYLOAD_BYTES,
  MAX_PAYLOAD_BYTES + 1,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
];

/**
 * Makes sessions of a preface and some frames, most with a change or two, into memory that is used again: bytes are valid until the next.
 * Nothing is allocated for a session, so that millions of them take seconds.
 */
export class SessionMaker {
  private readonly bytes = Buffer.alloc(512 * 1024);
  private length = 0;

  make(draw: Draw): Buffer {
    this.length = 0;
    if (draw(32) === 0) this.strangePreface(draw);
    else this.append(PREFACE);
    // Rarely more than a decoder may retain at once.
    const hasLarge = draw(256) === 0;
    for (let count = hasLarge ? 8 : draw(7); count > 0; count--) {
      const start = this.length;
      this.append(hasLarge && draw(8) > 0 ? LARGE_FRAMES[draw(16) >> 3]! : EVERY_FRAME[draw(EVERY_FRAME.length)]!);
      if (draw(4) === 0) this.changeFrame(start, draw);
    }
    if (draw(48) === 0) this.append(LARGE_FRAMES[draw(3)]!);
    if (draw(6) === 0) this.changeBytes(draw);
    return this.bytes.subarray(0, this.length);
  }

  private append(part: Buffer): void {
    part.copy(this.bytes, this.length);
    this.length += part.length;
  }

  private strangePreface(draw: Draw): void {
    const style = draw(8);
    if (style < STRANGERS.length) return this.append(STRANGERS[style]!);
    this.append(PREFACE);
    if (style === 5) this.length = draw(PREFACE.length);
    else if (style === 6) this.bytes[draw(PREFACE.length)]! ^= 1 << draw(8);
  }

  /** A header that says something else, or a payload that is not as long as it said. */
  private changeFrame(start: number, draw: Draw): void {
    const { bytes } = this;
    const style = draw(8);
    if (style < 2) bytes.writeUInt32BE(LENGTHS[draw(LENGTHS.length)]!, start);
    else if (style === 2) this.length -= draw(this.length - start);
    else if (style === 3) this.length += draw(16);
    else {
      const at = start + draw(HEADER_BYTES + 4);
      bytes[at] = draw(3) === 0 ? draw(256) : TELLING_BYTES[draw(TELLING_BYTES.length)]!;
    }
  }

  private changeBytes(draw: Draw): void {
    const { bytes } = this;
    const at = draw(this.length + 1);
    switch (draw(4)) {
      case 0:
        this.length = at;
        return;
      case 1:
        bytes[at]! ^= 1 << draw(8);
        return;
      case 2:
        bytes.copyWithin(at + 2, at, this.length);
        bytes[at] = draw(256);
        bytes[at + 1] = draw(256);
        this.length += 2;
        return;
      default: {
        const from = Math.min(this.length, at + 1 + draw(20));
        bytes.copyWithin(at, from, this.length);
        this.length -= from - at;
      }
    }
  }
}

/**
 * How the bytes arrive: ends of the chunks, into a list that is used again. All at once, byte by byte, anywhere, or around the places where a
 * frame or a part of its header ends.
 */
export function cut(length: number, boundaries: readonly number[], draw: Draw, ends: number[]): void {
  ends.length = 0;
  const style = draw(16);
  if (style < 6) cutNear(length, boundaries, draw, ends);
  else if (style > 6) {
    const isLong = length > 4_096;
    const largest = style === 7 && !isLong ? 1 : style < 10 ? (isLong ? 600 : 16) : 1 + draw(isLong ? 8_192 : 400);
    for (let at = 1 + draw(largest); at < length; at += 1 + draw(largest)) ends.push(at);
  }
  ends.push(length);
}

const NEAR = [-1, 0, 0, 1, 3, 4, 8, 11, 12, 13];

function cutNear(length: number, boundaries: readonly number[], draw: Draw, ends: number[]): void {
  let last = 0;
  for (const boundary of boundaries) {
    const at = boundary + NEAR[draw(NEAR.length)]!;
    if (draw(2) === 0 || at <= last || at >= length) continue;
    ends.push(at);
    last = at;
  }
}
