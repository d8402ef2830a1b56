import type { FrameWriter } from '../frame-writer.js';

/** Text of this many UTF-16 units at most shares a chunk; a string kept from a message keeps no more than its chunk alive. */
export const MAX_CHUNK_UNITS = 512;
/** Longer strings stand among the values. */
export const MAX_SHARED_UNITS = 255;

/**
 * The short strings of rows, joined: the engine writes a chunk of them at once, several times quicker than one by one.
 */
export class RowText {
  /** The chunk that is being filled. */
  chunk = '';
  private readonly chunks: string[] = [];

  /** Chunks that are full. */
  get full(): number {
    return this.chunks.length;
  }

  add(text: string): void {
    if (this.chunk.length + text.length <= MAX_CHUNK_UNITS) {
      this.chunk += text;
    } else {
      this.chunks.push(this.chunk);
      this.chunk = text;
    }
  }

  /** Back to where `chunk` and `full` were these. */
  rewind(chunk: string, full: number): void {
    this.chunk = chunk;
    this.chunks.length = full;
  }

  /** Each chunk: its length in bytes (16 bits), then UTF-8. */
  writeTo(writer: FrameWriter): void {
    for (const chunk of this.chunks) writeChunk(chunk, writer);
    if (this.chunk !== '') writeChunk(this.chunk, writer);
  }
}

function writeChunk(chunk: string, writer: FrameWriter): void {
  const at = writer.length;
  writer.uint16(0);
  writer.patchUint16(at, writer.utf8(chunk));
}
