import type { RookeryError } from '../core/errors.js';
import { bodyFlags, writeBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import { writeError, type Failure } from '../wire/error-body.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { Flag, FrameType } from '../wire/frame.js';
import type { FrameSocket } from './frame-socket.js';
import type { Handlers } from './handlers.js';
import type { IncomingCall } from './incoming-call.js';
import { tooManyStreams, unsendable, wireError } from './refusals.js';

/** What a connection answers, as frames. */
export class ReplyWriter {
  private streams = 0;

  constructor(
    private readonly link: FrameSocket,
    private readonly codec: Codec,
    private readonly handlers: Handlers,
    private readonly maxStreams: number,
  ) {}

  /** The only reply, or the error of one that cannot be written. */
  reply(call: IncomingCall, value: unknown): void {
    try {
      this.encode(call, value, Flag.END, this.link.writer);
    } catch (error) {
      this.failure(call, error);
    }
    this.link.flushSoon();
  }

  /** One value of a stream. @returns the bytes it takes of the credit @throws RookeryError `ENCODE_FAILED`, `FRAME_TOO_LARGE`, `TOO_MANY_STREAMS` */
  next(call: IncomingCall, value: unknown): number {
    const { writer } = this.link;
    const before = writer.length;
    this.encodeNext(call, value, writer);
    const frameBytes = writer.length - before;
    this.link.flushSoon();
    return frameBytes;
  }

  /** The same, into memory of its own. */
  encodeNext(call: IncomingCall, value: unknown, writer: FrameWriter): void {
    if (!call.isStreaming) this.beginStream(call);
    this.encode(call, value, 0, writer);
  }

  /** A frame encoded before. */
  frame(bytes: Buffer, start: number, end: number): void {
    this.link.writer.slice(bytes, start, end);
    this.link.flushSoon();
  }

  /** The end of a stream. */
  end(call: IncomingCall): void {
    const { writer } = this.link;
    writer.end(writer.begin(FrameType.REPLY, Flag.END | Flag.NO_VALUE, 0, call.callId));
    this.link.flushSoon();
  }

  failure(call: IncomingCall, error: unknown): void {
    this.refusal(call.callId, wireError(this.handlers, error));
  }

  /** An ERROR, where somebody waits for an answer. */
  refusal(callId: number, error: Failure): void {
    if (callId === 0) return;
    writeError(error, callId, this.codec, this.link.writer);
    this.link.flushSoon();
  }

  /** The handler has ended. */
  callEnded(call: IncomingCall): void {
    if (call.isStreaming) this.streams--;
  }

  /** More waits for a reader, or less, than was written. */
  addBacklog(bytes: number): void {
    this.link.addBacklog(bytes);
  }

  private beginStream(call: IncomingCall): void {
    if (this.streams >= this.maxStreams) throw tooManyStreams(this.maxStreams);
    this.streams++;
    call.isStreaming = true;
  }

  private encode(call: IncomingCall, value: unknown, flags: number, writer: FrameWriter): void {
    const start = writer.begin(FrameType.REPLY, flags | bodyFlags(value), 0, call.callId);
    try {
      writeBody(value, this.codec, writer);
      writer.end(start);
    } catch (error) {
      writer.abandon(start);
      throw unsendable(error as RookeryError);
    }
  }
}
