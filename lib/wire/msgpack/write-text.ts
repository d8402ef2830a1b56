import type { FrameWriter } from '../frame-writer.js';

/** Shorter text is written by hand, which is quicker than a call into the engine; unless it turns out not to be ASCII. */
const BY_HAND_UNITS = 24;

export function writeText(text: string, writer: FrameWriter): void {
  const { length } = text;
  if (length >= BY_HAND_UNITS) return writeUtf8(text, writer);
  writer.reserve(length + 1);
  const { bytes } = writer;
  let at = writer.length;
  bytes[at++] = 0xa0 | length;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return writeUtf8(text, writer);
    bytes[at++] = unit;
  }
  writer.length = at;
}

/** The header's size is a guess until the text is written: text that is not ASCII may need a longer one. */
function writeUtf8(text: string, writer: FrameWriter): void {
  const start = writer.length;
  const guess = headerBytes(text.length);
  writer.reserve(5 + text.length * 3);
  writer.length = start + guess;
  const written = writer.utf8(text);
  const needed = headerBytes(written);
  if (needed !== guess) writer.bytes.copyWithin(start + needed, start + guess, writer.length);
  writer.length = start;
  writeTextHeader(written, writer);
  writer.length += written;
}

export function writeTextHeader(count: number, writer: FrameWriter): void {
  if (count < 0x20) {
    writer.uint8(0xa0 | count);
  } else if (count < 0x100) {
    writer.uint16(0xd900 | count);
  } else if (count < 0x1_0000) {
    writer.uint8(0xda);
    writer.uint16(count);
  } else {
    writer.uint8(0xdb);
    writer.uint32(count);
  }
}

function headerBytes(count: number): number {
  if (count < 0x20) return 1;
  if (count < 0x100) return 2;
  return count < 0x1_0000 ? 3 : 5;
}
