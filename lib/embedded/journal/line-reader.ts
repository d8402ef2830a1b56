import { open } from 'node:fs/promises';

export interface Line {
  /** Without its line feed; empty for a line over the limit, which is passed over. */
  readonly bytes: Buffer;
  /** Of its first byte in the file. */
  readonly offset: number;
  /** False for what follows the last line feed of the file. */
  readonly isWhole: boolean;
}

const CHUNK_BYTES = 256 * 1024;
const LF = 0x0a;

/** The lines of a file, in memory of one chunk and one line. @throws NodeJS.ErrnoException */
export async function* readLines(path: string, maxLineBytes: number): AsyncGenerator<Line, void> {
  const file = await open(path, 'r');
  try {
    const carry = new Carry(maxLineBytes);
    for (let position = 0; ;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      yield* carry.lines(chunk.subarray(0, bytesRead));
    }
    if (carry.length > 0) yield { bytes: carry.take(), offset: carry.offset, isWhole: false };
  } finally {
    await file.close();
  }
}

/** The part of a line that has come so far. */
class Carry {
  /** Where it begins. */
  offset = 0;
  /** How long it is, with what was not kept. */
  length = 0;
  private parts: Buffer[] = [];

  constructor(private readonly maxBytes: number) {}

  *lines(chunk: Buffer): Generator<Line, void> {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      this.add(chunk.subarray(start, end));
      const line = { bytes: this.take(), offset: this.offset, isWhole: true };
      this.offset += this.length + 1;
      this.length = 0;
      start = end + 1;
      yield line;
    }
    this.add(chunk.subarray(start));
  }

  take(): Buffer {
    const [only = Buffer.alloc(0), ...more] = this.parts;
    this.parts = [];
    return more.length === 0 ? only : Buffer.concat([only, ...more]);
  }

  private add(part: Buffer): void {
    this.length += part.length;
    if (this.length > this.maxBytes) this.parts = [];
    else if (part.length > 0) this.parts.push(part);
  }
}
