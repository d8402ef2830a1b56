import { RookeryError } from '../core/errors.js';
import { HEADER_BYTES, PREFACE } from './frame.js';

/**
 * Receives frames in order. `bytes[start, end)` is the payload; it is valid during the call, and after it too, since the decoder never
 * writes to memory it has handed out.
 */
export interface FrameSink {
  onFrame(type: number, flags: number, code: number, callId: number, bytes: Buffer, start: number, end: number): void;
}

/** Memory taken at first for a payload that has arrived in part. */
const FIRST_PAYLOAD_BYTES = 64 * 1024;
/** By how much that memory grows when it is full: of a frame of 4 MiB a third is copied again on its way. */
const GROWTH = 4;
const NO_BYTES = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames: incremental, linear in the bytes whatever their chunking, and bounded (at most one frame is held).
 * A length over the limit is refused as soon as its header is complete, before a byte of the payload is kept.
 * After an error the decoder is dead: every further `push` throws the same error.
 */
export class FrameDecoder {
  /** The limit for payloads; the connection raises it from the hello's to the frame's after authentication. */
  maxPayloadBytes: number;

  private readonly head = Buffer.alloc(HEADER_BYTES);
  private headFill = 0;
  private prefaceFill = 0;
  /** The payload being collected when it did not arrive in one chunk; it grows with what arrives. */
  private payload: Buffer | undefined;
  private payloadLength = 0;
  private payloadFill = 0;
  private begun = 0;
  private failure: Error | undefined;
  /** Neither stopped nor held. */
  private isGoing = true;
  private isStopped = false;
  /** What is left of a chunk in which the sink asked to be left alone for a while. */
  private held: Buffer | undefined;

  constructor(
    private readonly sink: FrameSink,
    maxPayloadBytes: number,
  ) {
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /** True while part of a frame (or of the preface) has arrived and the rest has not. */
  get isMidFrame(): boolean {
    return (
      this.headFill > 0 || this.payload !== undefined || (this.prefaceFill > 0 && this.prefaceFill < PREFACE.length)
    );
  }

  /** Which of the frames that arrived in part it is that has: another number, another frame. */
  get partialFrame(): number {
    return this.begun;
  }

  /** Bytes of a payload that has arrived in part. */
  get partialBytes(): number {
    return this.payload === undefined ? 0 : this.payloadFill;
  }

  /** Bytes kept between two pushes. */
  get retainedBytes(): number {
    return this.headFill + (this.payload?.length ?? 0) + (this.held?.length ?? 0);
  }

  /** @throws RookeryError `HANDSHAKE_FAILED` for a wrong preface, `FRAME_TOO_LARGE` for a length over the limit */
  push(chunk: Buffer): void {
    if (this.isStopped) return;
    if (this.failure) throw this.failure;
    try {
      this.consume(chunk);
    } catch (error) {
      this.payload = undefined;
      this.headFill = 0;
      this.failure = error as Error;
      throw error;
    }
  }

  /** Whether `hold` was called, and `goOn` not yet. */
  get isHeld(): boolean {
    return this.held !== undefined;
  }

  /** Called by the sink: nothing more is emitted until `goOn`, before which nothing may be pushed. */
  hold(): void {
    this.isGoing = false;
    this.held ??= NO_BYTES;
  }

  /** Emits what was held, unless it is held again. @throws what `push` throws */
  goOn(): void {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    this.isGoing = !this.isStopped;
    this.push(held);
  }

  /** Nothing more is emitted, not even of the chunk under way: for who is done with the peer. */
  stop(): void {
    this.isStopped = true;
    this.isGoing = false;
    this.held = undefined;
    this.payload = undefined;
    this.headFill = 0;
  }

  private consume(chunk: Buffer): void {
    let at = this.prefaceFill < PREFACE.length ? this.readPreface(chunk) : 0;
    if (this.payload) at = this.collect(chunk, at, this.payload);
    if (this.headFill > 0 && !this.payload) at = this.finishHead(chunk, at);

    while (this.isGoing && chunk.length - at >= HEADER_BYTES) {
      const length = uint32(chunk, at);
      if (length > this.maxPayloadBytes) throw this.tooLarge(length);
      const start = at + HEADER_BYTES;
      const end = start + length;
      if (end > chunk.length) {
        chunk.copy(this.head, 0, at, start);
        this.begun++;
        this.beginPayload(length, chunk, start);
        return;
      }
      at = end;
      this.emit(chunk, start - HEADER_BYTES, chunk, start, end);
    }
    if (!this.isGoing) {
      if (this.held) this.held = chunk.subarray(at);
    } else if (at < chunk.length) {
      if (this.headFill === 0) this.begun++;
      chunk.copy(this.head, this.headFill, at);
      this.headFill += chunk.length - at;
    }
  }

  private readPreface(chunk: Buffer): number {
    const wanted = Math.min(PREFACE.length - this.prefaceFill, chunk.length);
    for (let index = 0; index < wanted; index++) {
      if (chunk[index] !== PREFACE[this.prefaceFill + index]) throw wrongPreface(this.prefaceFill + index);
    }
    this.prefaceFill += wanted;
    return wanted;
  }

  /** Completes a header that began in an earlier chunk. */
  private finishHead(chunk: Buffer, at: number): number {
    const wanted = Math.min(HEADER_BYTES - this.headFill, chunk.length - at);
    chunk.copy(this.head, this.headFill, at, at + wanted);
    this.headFill += wanted;
    at += wanted;
    if (this.headFill < HEADER_BYTES) return at;

    this.headFill = 0;
    const length = uint32(this.head, 0);
    if (length > this.maxPayloadBytes) throw this.tooLarge(length);
    if (at + length <= chunk.length) {
      this.emit(this.head, 0, chunk, at, at + length);
      return at + length;
    }
    this.beginPayload(length, chunk, at);
    return chunk.length;
  }

  private beginPayload(length: number, chunk: Buffer, start: number): void {
    this.payloadLength = length;
    this.payload = Buffer.allocUnsafeSlow(Math.min(length, Math.max(FIRST_PAYLOAD_BYTES, chunk.length - start)));
    this.payloadFill = chunk.copy(this.payload, 0, start);
  }

  private collect(chunk: Buffer, at: number, payload: Buffer): number {
    const wanted = Math.min(chunk.length - at, this.payloadLength - this.payloadFill);
    if (this.payloadFill + wanted > payload.length) payload = this.payload = this.grown(payload, wanted);
    chunk.copy(payload, this.payloadFill, at, at + wanted);
    this.payloadFill += wanted;
    if (this.payloadFill === this.payloadLength) {
      this.payload = undefined;
      this.emit(this.head, 0, payload, 0, this.payloadLength);
    }
    return at + wanted;
  }

  /** What a peer announces costs it twelve bytes; memory is taken for what it sends. */
  private grown(payload: Buffer, wanted: number): Buffer {
    const length = Math.min(this.payloadLength, Math.max(payload.length * GROWTH, this.payloadFill + wanted));
    const larger = Buffer.allocUnsafeSlow(length);
    payload.copy(larger, 0, 0, this.payloadFill);
    return larger;
  }

  private emit(head: Buffer, at: number, bytes: Buffer, start: number, end: number): void {
    this.sink.onFrame(
      head[at + 4]!,
      head[at + 5]!,
      (head[at + 6]! << 8) | head[at + 7]!,
      uint32(head, at + 8),
      bytes,
      start,
      end,
    );
  }

  private tooLarge(length: number): RookeryError {
    return new RookeryError(
      'FRAME_TOO_LARGE',
      `the peer announced a frame of ${length} bytes; the limit here is ${this.maxPayloadBytes}`,
      {
        outcome: 'unknown',
      },
    );
  }
}

/** Unsigned 32-bit big-endian integer, without the range checks of `readUInt32BE`: callers have checked. */
export function uint32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function wrongPreface(index: number): RookeryError {
  const what = index === PREFACE.length - 1 ? 'speaks another protocol version' : 'does not speak the Rookery protocol';
  return new RookeryError(
    index === PREFACE.length - 1 ? 'VERSION_UNSUPPORTED' : 'HANDSHAKE_FAILED',
    `the peer ${what} (byte ${index} of the preface differs)`,
  );
}
