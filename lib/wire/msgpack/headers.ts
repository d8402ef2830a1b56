import type { FrameWriter } from '../frame-writer.js';

export function writeArrayHeader(count: number, writer: FrameWriter): void {
  if (count < 0x10) {
    writer.uint8(0x90 | count);
  } else if (count < 0x1_0000) {
    writer.uint8(0xdc);
    writer.uint16(count);
  } else {
    writer.uint8(0xdd);
    writer.uint32(count);
  }
}

/** A map's header was written for fewer than 16 entries and there are more: what follows it moves. */
export function widenMapHeader(start: number, count: number, writer: FrameWriter): void {
  const end = writer.length;
  const headerBytes = count < 0x1_0000 ? 3 : 5;
  writer.reserve(headerBytes);
  writer.bytes.copyWithin(start + headerBytes, start + 1, end);
  writer.length = start;
  if (headerBytes === 3) {
    writer.uint8(0xde);
    writer.uint16(count);
  } else {
    writer.uint8(0xdf);
    writer.uint32(count);
  }
  writer.length = end + headerBytes - 1;
}
