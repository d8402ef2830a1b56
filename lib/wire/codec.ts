import type { FrameWriter } from './frame-writer.js';

/**
 * Turns values into bytes and back. One codec is chosen per connection in the hello.
 *
 * @publicApi
 */
export interface Codec {
  /** Its name in the hello, e.g. `json`. */
  readonly name: string;

  /**
   * Appends the encoded value. `undefined` is never passed: it travels as an empty body.
   *
   * @throws RookeryError `ENCODE_FAILED`
   */
  encode(value: unknown, writer: FrameWriter): void;

  /**
   * Reads one value from `bytes[start, end)`, which is never empty.
   *
   * @throws RookeryError `DECODE_FAILED`
   */
  decode(bytes: Buffer, start: number, end: number): unknown;
}
