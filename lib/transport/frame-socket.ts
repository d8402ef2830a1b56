import type { Socket } from 'node:net';

import { RookeryError } from '../core/errors.js';
import { FrameDecoder, type FrameSink } from '../wire/frame-decoder.js';
import { FrameWriter } from '../wire/frame-writer.js';
import { PREFACE } from '../wire/frame.js';
import type { TransportLimits } from './limits.js';

/** What a connection does with its socket's frames and its end. */
export interface FrameSocketOwner extends FrameSink {
  /** The peer broke the protocol, or a limit; no further frame comes. The owner ends the socket. */
  onProtocolError(error: RookeryError): void;
  /** More waits for the peer than the limit: the owner sees to it that no more is produced. */
  onSendBufferFull(): void;
  /** The peer has taken everything that waited in the socket. */
  onDrained(): void;
  /** Called once, when the socket is gone; `error` is why, where it did not simply end. */
  onSocketClosed(error: Error | undefined): void;
}

/** Beyond this much, a batch does not wait for the end of the tick. */
const FLUSH_BYTES = 64 * 1024;

/**
 * One socket as a stream of frames. Frames written during one turn of the event loop, and during the promise jobs it sets off, leave as
 * one write. What the peer does not take is bounded in bytes and in time.
 */
export class FrameSocket {
  readonly writer: FrameWriter;
  readonly decoder: FrameDecoder;
  /** Monotonic time at which bytes last arrived, in ms. */
  lastReadAtMs: number;

  /** More waits for the peer than the send buffer is meant to hold. */
  isBackedUp = false;

  private isFlushScheduled = false;
  private isEnding = false;
  private closeError: Error | undefined;
  /** When the peer was last seen to have taken something, or to have nothing to take. */
  private takenAtMs = 0;
  private bytesTaken = -1;

  constructor(
    readonly socket: Socket,
    private readonly owner: FrameSocketOwner,
    private readonly limits: TransportLimits,
  ) {
    this.writer = new FrameWriter(limits.maxHelloBytes);
    this.decoder = new FrameDecoder(owner, limits.maxHelloBytes);
    this.lastReadAtMs = performance.now();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('drain', () => {
      this.isBackedUp = false;
      socket.resume();
      owner.onDrained();
    });
    socket.on('error', (error) => (this.closeError ??= error));
    socket.on('close', () => owner.onSocketClosed(this.closeError));
    this.writer.raw(PREFACE);
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.isEnding;
  }

  /** Whether it waits for the peer to take what was written before it reads on. */
  get isPaused(): boolean {
    return this.socket.isPaused();
  }

  /** Bytes the peer has not taken yet. */
  get pendingBytes(): number {
    return this.socket.writableLength + this.writer.length;
  }

  /** Lets what was written leave at the end of this tick, with everything else written until then. */
  flushSoon(): void {
    if (this.writer.length >= FLUSH_BYTES) return this.flush();
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    process.nextTick(this.flushScheduled);
  }

  private readonly flushScheduled = (): void => {
    this.isFlushScheduled = false;
    this.flush();
  };

  flush(): void {
    const { writer, socket } = this;
    if (writer.length === 0) return;
    if (socket.destroyed || this.isEnding) return writer.reset();
    socket.write(writer.view());
    // The kernel took all of it at once: the buffer is free again.
    if (socket.writableLength === 0) writer.reset();
    else {
      writer.renew();
      if (socket.writableLength <= this.limits.maxSendBufferBytes) return;
      this.isBackedUp = true;
      this.owner.onSendBufferFull();
    }
  }

  /** Reads no more until everything written has left: a peer that makes work and does not take the results has to wait. */
  pauseUntilDrained(): void {
    this.socket.pause();
  }

  /** Called now and then by the owner: cuts a peer that has taken nothing for too long. */
  checkStall(nowMs: number): void {
    const { socket } = this;
    const taken = socket.bytesWritten - socket.writableLength - kernelBacklog(socket);
    if (socket.writableLength === 0 || taken !== this.bytesTaken) {
      this.bytesTaken = taken;
      this.takenAtMs = nowMs;
    } else if (nowMs - this.takenAtMs >= this.limits.sendStallMs) {
      this.destroy(
        new RookeryError('CONNECTION_LOST', `the peer took nothing for ${this.limits.sendStallMs} ms and was cut`),
      );
    }
  }

  /** Sends what was written, then closes. */
  end(): void {
    if (!this.isOpen) return;
    this.flush();
    this.isEnding = true;
    this.socket.end();
    // A peer that never closes its side must not keep ours.
    const guard = setTimeout(() => this.socket.destroy(), 1_000).unref();
    this.socket.once('close', () => clearTimeout(guard));
  }

  /** Sends what was written (a GOAWAY that says why), then closes with this error. */
  fail(error: Error): void {
    this.closeError ??= error;
    this.decoder.stop();
    this.end();
  }

  destroy(error?: Error): void {
    this.closeError ??= error;
    this.decoder.stop();
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    this.lastReadAtMs = performance.now();
    try {
      this.decoder.push(chunk);
    } catch (error) {
      this.decoder.stop();
      this.owner.onProtocolError(RookeryError.is(error) ? error : internal(error));
    }
  }
}

/** Of a write under way, what the kernel has not taken: a slow reader of one large write does take something all the while. */
function kernelBacklog(socket: Socket): number {
  return (socket as unknown as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0;
}

function internal(cause: unknown): RookeryError {
  return new RookeryError('FRAME_MALFORMED', `a frame could not be handled: ${(cause as Error).message}`, { cause });
}
