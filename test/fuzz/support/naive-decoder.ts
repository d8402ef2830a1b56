import { FIRST_OPTIONAL_TYPE, FrameType, HEADER_BYTES, PREFACE } from '../../../lib/wire/frame.js';

/** What the specification says of some bytes that arrive at a decoder. */
export interface Expectation {
  /** Where each frame starts, and where the last one that is complete ends. */
  boundaries: number[];
  reason: string | undefined;
}

/** The frame layout in the plainest way: all bytes at once, nothing kept. `limitOf` tells the limit in force for the n-th frame. */
export function readNaively(bytes: Buffer, limitOf: (index: number) => number, into: Expectation): void {
  const { boundaries } = into;
  boundaries.length = 0;
  into.reason = undefined;
  for (let at = 0; at < PREFACE.length; at++) {
    if (at === bytes.length) return;
    if (bytes[at] === PREFACE[at]) continue;
    into.reason = at === PREFACE.length - 1 ? 'VERSION_UNSUPPORTED' : 'HANDSHAKE_FAILED';
    return;
  }
  let at = PREFACE.length;
  boundaries.push(at);
  while (at + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    if (length > limitOf(boundaries.length - 1)) into.reason = 'FRAME_TOO_LARGE';
    at += HEADER_BYTES + length;
    if (into.reason !== undefined || at > bytes.length) return;
    boundaries.push(at);
  }
}

const NAMES = new Map<number, string>(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** A frame's type as coverage counts it. */
export function typeName(type: number): string {
  return NAMES.get(type) ?? (type >= FIRST_OPTIONAL_TYPE ? 'optional' : 'unknown');
}

export const TYPE_NAMES: readonly string[] = [...NAMES.values(), 'optional', 'unknown'];
