import type { Draw } from './draw.js';
import { TELLING_BYTES } from './frames.js';

/** The bytes in pieces: all at once, byte by byte, or cut anywhere. */
export function chunked(bytes: Buffer, draw: Draw): Buffer[] {
  const style = draw(16);
  if (style === 0) return [bytes];
  const largest = style === 1 ? 1 : style < 5 ? 16 : 1 + draw(400);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + draw(largest);
    // A copy of its own, as a socket hands it out: whoever reads beyond it reads nothing.
    chunks.push(Buffer.from(bytes.subarray(at, (at += size))));
  }
  return chunks;
}

/** Up to four changes, most of them where frames have their meaning. */
export function mutated(frames: readonly Buffer[], spare: readonly Buffer[], draw: Draw): Buffer {
  const session = frames.map((frame) => Buffer.from(frame));
  const changes = draw(5);
  for (let change = 0; change < changes; change++) mutateSession(session, spare, draw);
  const bytes = Buffer.concat(session);
  return draw(6) === 0 ? mutateBytes(bytes, draw) : bytes;
}

function mutateSession(session: Buffer[], spare: readonly Buffer[], draw: Draw): void {
  const at = draw(session.length + 1);
  const frame = session[at];
  switch (draw(9)) {
    case 0:
      session.splice(at, 1);
      return;
    case 1:
      session.splice(at, 0, Buffer.from(spare[draw(spare.length)]!));
      return;
    case 2:
      if (frame) session.splice(at, 0, Buffer.from(frame));
      return;
    case 3: {
      const other = draw(session.length);
      if (frame && session[other]) [session[at], session[other]] = [session[other], frame];
      return;
    }
    case 4:
      if (frame) resize(frame, draw);
      return;
    case 5:
      if (frame && frame.length > 12) session[at] = frame.subarray(0, 12 + draw(frame.length - 12));
      return;
    default:
      if (frame && frame.length >= 12) setHeaderByte(frame, draw);
  }
}

/** A length that says something else than what follows. */
function resize(frame: Buffer, draw: Draw): void {
  if (frame.length < 12) return;
  const lengths = [
    0,
    1,
    4,
    frame.length - 11,
    frame.length - 13,
    4_096,
    4_097,
    16_384,
    16_385,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
  ];
  frame.writeUInt32BE(Math.max(0, lengths[draw(lengths.length)]!), 0);
}

/** Type, flags, code, call id, and the first bytes of the payload. */
function setHeaderByte(frame: Buffer, draw: Draw): void {
  const at = 4 + draw(Math.min(frame.length - 4, 16));
  frame[at] = draw(3) === 0 ? draw(256) : TELLING_BYTES[draw(TELLING_BYTES.length)]!;
}

function mutateBytes(bytes: Buffer, draw: Draw): Buffer {
  const at = draw(bytes.length + 1);
  switch (draw(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      if (at < bytes.length) bytes[at]! ^= 1 << draw(8);
      return bytes;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([draw(256), draw(256)]), bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + draw(20)))]);
  }
}
