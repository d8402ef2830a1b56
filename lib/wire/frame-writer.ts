import { RookeryError } from '../core/errors.js';
import { FrameType, HEADER_BYTES } from './frame.js';

const SMALLEST_BYTES = 16 * 1024;
const NO_BYTES = Buffer.alloc(0);

/**
 * Buffers that nobody writes into at present. A writer takes one for its first frame and gives it back when the bytes have left, so a
 * connection that has nothing to say holds none, and those that talk share a few.
 */
const spare: Buffer[] = [];
const MAX_SPARE = 16;
/** A buffer that grew beyond this is not kept. */
const MAX_SPARE_BYTES = 256 * 1024;

/**
 * Encodes frames in place, one behind the other, into a buffer that leaves as one write. A frame is begun, filled and ended; `abandon`
 * takes a half-written frame back, so that a value the codec refuses leaves no trace.
 */
export class FrameWriter {
  bytes: Buffer = NO_BYTES;
  /** Bytes written so far, i.e. where the next byte goes. */
  length = 0;

  constructor(
    /** The peer's limit for one payload, learnt in the hello. */
    public maxPayloadBytes: number,
  ) {}

  /** @returns where the frame starts, to be handed to `end` or `abandon` */
  begin(type: number, flags: number, code: number, callId: number): number {
    this.reserve(HEADER_BYTES);
    const { bytes, length: at } = this;
    bytes[at + 4] = type;
    bytes[at + 5] = flags;
    bytes[at + 6] = code >>> 8;
    bytes[at + 7] = code;
    setUint32(bytes, at + 8, callId);
    this.length = at + HEADER_BYTES;
    return at;
  }

  /** Fills in the length. @throws RookeryError `FRAME_TOO_LARGE`; the frame is then gone from the buffer */
  end(start: number): void {
    const payloadBytes = this.length - start - HEADER_BYTES;
    if (payloadBytes > this.maxPayloadBytes) {
      this.length = start;
      throw tooLarge(payloadBytes, this.maxPayloadBytes);
    }
    setUint32(this.bytes, start, payloadBytes);
  }

  abandon(start: number): void {
    this.length = start;
  }

  /** A frame without payload. */
  bare(type: FrameType, code: number, callId: number): void {
    this.end(this.begin(type, 0, code, callId));
  }

  uint8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  uint16(value: number): void {
    this.reserve(2);
    this.bytes[this.length++] = value >>> 8;
    this.bytes[this.length++] = value;
  }

  uint32(value: number): void {
    this.reserve(4);
    setUint32(this.bytes, this.length, value);
    this.length += 4;
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /** Part of a buffer; short parts are copied by hand, which is quicker than a call into the engine. */
  slice(source: Buffer, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    if (count > 192) {
      source.copy(this.bytes, this.length, start, end);
    } else {
      for (let from = start, to = this.length; from < end; from++, to++) this.bytes[to] = source[from]!;
    }
    this.length += count;
  }

  /** Text as UTF-8, without its length. @returns bytes written */
  utf8(text: string): number {
    this.reserve(text.length * 3);
    const written = this.bytes.write(text, this.length, 'utf8');
    this.length += written;
    return written;
  }

  /** Overwrites 16 bits written before (a length known only afterwards). */
  patchUint16(at: number, value: number): void {
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
  }

  /** Overwrites 32 bits written before. */
  patchUint32(at: number, value: number): void {
    setUint32(this.bytes, at, value);
  }

  /** What was written so far, as a view; `reset` or `renew` must follow before the next frame. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Forgets the first `count` bytes. */
  discard(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** The bytes have left, and nobody else holds the buffer: the next writer may have it. */
  reset(): void {
    this.length = 0;
    spareBuffer(this.bytes);
    this.bytes = NO_BYTES;
  }

  /** The bytes are still held by the socket: start again in another buffer. */
  renew(): void {
    this.length = 0;
    this.bytes = NO_BYTES;
  }

  /** Makes room for `count` more bytes; `bytes` may be another buffer afterwards. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.grow(this.length + count);
  }

  private grow(needed: number): void {
    const { bytes } = this;
    if (bytes === NO_BYTES) this.bytes = spare.pop() ?? Buffer.allocUnsafeSlow(SMALLEST_BYTES);
    if (needed <= this.bytes.length) return;
    const outgrown = this.bytes;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(needed, outgrown.length * 2));
    outgrown.copy(this.bytes, 0, 0, this.length);
    spareBuffer(outgrown);
  }
}

function spareBuffer(buffer: Buffer): void {
  if (buffer.length > 0 && buffer.length <= MAX_SPARE_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}

function setUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function tooLarge(payloadBytes: number, limit: number): RookeryError {
  return new RookeryError(
    'FRAME_TOO_LARGE',
    `the message takes ${payloadBytes} bytes and the peer accepts ${limit}; send less, stream it, or raise limits.maxFrameBytes there`,
  );
}
