import { MAX_CHUNK_UNITS } from './row-text.js';
import type { ReadShape } from './read-shape.js';
import { readUtf8 } from './read-text.js';
import { truncated, undecodable } from './undecodable.js';

const NO_BYTES = Buffer.alloc(0);

/** What rows keep apart from their values: the shapes of their objects, and the text of their strings in the order of the values. */
export class RowsReader {
  readonly shapes: ReadShape[] = [];
  private bytes: Buffer = NO_BYTES;
  /** Where the next chunk starts, and where the last one ends. */
  private at = 0;
  private end = 0;
  private chunk = '';
  private units = 0;

  beginText(bytes: Buffer, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.chunk = '';
    this.units = 0;
  }

  /** The next string, of so many UTF-16 units. */
  text(units: number): string {
    const start = this.units;
    const end = start + units;
    if (end > this.chunk.length) return this.textOfNextChunk(units);
    this.units = end;
    return this.chunk.slice(start, end);
  }

  private textOfNextChunk(units: number): string {
    if (this.units !== this.chunk.length) throw undecodable('a string of its rows is cut in two');
    const { bytes, at } = this;
    if (at + 2 > this.end) throw truncated();
    const count = (bytes[at]! << 8) | bytes[at + 1]!;
    this.at = at + 2 + count;
    if (this.at > this.end) throw truncated();
    this.chunk = readUtf8(bytes, at + 2, count);
    if (units > this.chunk.length || this.chunk.length > MAX_CHUNK_UNITS)
      throw undecodable('text of its rows has a wrong length');
    this.units = units;
    return this.chunk.slice(0, units);
  }

  /** @throws RookeryError `DECODE_FAILED` unless every string was used */
  finish(): void {
    if (this.at !== this.end || this.units !== this.chunk.length)
      throw undecodable('its rows carry text that no value uses');
    this.clear();
  }

  clear(): void {
    this.shapes.length = 0;
    this.chunk = '';
    this.bytes = NO_BYTES;
  }
}
