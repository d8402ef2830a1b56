import type { Socket } from 'node:net';

import { RookeryError } from '../core/errors.js';
import { FrameDecoder, type FrameSink } from '../wire/frame-decoder.js';
import { FrameWriter } from '../wire/frame-writer.js';
import { PREFACE } from '../wire/frame.js';
import type { ByteHolder, ServerBudgets } from './byte-budget.js';
import type { TransportLimits } from './limits.js';
import type { Turn } from './turn.js';
import { isSecuring, unlessTls } from './tls/failure.js';

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

/** Less than this is no silence. */
const SILENCE_MS = 250;
/** What is read for so long after a silence may have waited through it, unless its end is called sooner. */
const BURST_MS = 1_000;

/**
 * One socket as a stream of frames. Frames written during one turn of the event loop, and during the promise jobs it sets off, leave as
 * one write. What the peer does not take is bounded in bytes and in time.
 */
export class FrameSocket implements ByteHolder {
  readonly writer: FrameWriter;
  readonly decoder: FrameDecoder;
  /** Monotonic time at which bytes last arrived, in ms. */
  lastReadAtMs: number;
  /** How long nothing had been read before the bytes that are read now, in ms; 0 while they flow. They may be that old. */
  silentForMs = 0;
  /** Until when, at the latest, that is so. */
  silenceEndsAtMs = 0;

  /** Calls that may still be taken from the peer in this turn of the event loop. */
  private callsThisTurn = 0;
  /** More waits for the peer than the send buffer is meant to hold. */
  isBackedUp = false;

  private isFlushScheduled = false;
  private isEnding = false;
  private closeError: Error | undefined;
  /** When the peer was last seen to have taken something, or to have nothing to take. */
  private takenAtMs = 0;
  private bytesTaken = -1;
  /** The frame that has arrived in part, by the decoder's count, and when it was first seen. */
  private partialFrame = -1;
  private partialSeenAtMs = 0;
  /** What the budgets know of. */
  private arrivingBytes = 0;
  private arrivingFrame = -1;
  private leavingBytes = 0;
  /** Encoded replies that wait for their readers' credit, outside the socket. */
  private backlogBytes = 0;

  constructor(
    readonly socket: Socket,
    private readonly owner: FrameSocketOwner,
    private readonly limits: TransportLimits,
    /** Of all connections of a server; a client bounds what it asks for. */
    private readonly budgets?: ServerBudgets,
    /** Shared by all connections of a server; a client takes no calls. */
    private readonly turn?: Turn,
  ) {
    this.writer = new FrameWriter(limits.maxHelloBytes);
    this.decoder = new FrameDecoder(owner, limits.maxHelloBytes);
    this.lastReadAtMs = performance.now();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('end', () => this.finishTurns());
    socket.on('drain', () => this.drained());
    socket.on('error', (error) => (this.closeError ??= error));
    socket.on('close', () => this.closed());
    this.writer.raw(PREFACE);
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.isEnding;
  }

  /** Whether everything the peer sent has been read, its end included. */
  get hasEnded(): boolean {
    return this.socket.readableEnded || this.socket.destroyed;
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
      this.countLeaving();
      if (socket.writableLength <= this.limits.maxSendBufferBytes) return;
      this.isBackedUp = true;
      this.owner.onSendBufferFull();
    }
  }

  /** Reads no more; for who has only its goodbye to say. */
  pauseReading(): void {
    this.decoder.stop();
    this.socket.pause();
  }

  /** A call, or a frame that costs as much in numbers, was read. */
  countTowardsTurn(): void {
    if (--this.callsThisTurn === 0) this.endTurn();
  }

  /** Goes on with what has arrived, and reads on, in the next turn of the event loop. */
  private endTurn(): void {
    this.decoder.hold();
    this.socket.pause();
    setImmediate(this.beginTurn);
  }

  /** Whether something that has arrived waits for its turn. */
  get isBetweenTurns(): boolean {
    return this.decoder.isHeld;
  }

  /** Reads no more until everything written has left: a peer that makes work and does not take the results has to wait. */
  pauseUntilDrained(): void {
    this.socket.pause();
  }

  /** More, or less, waits for its reader outside the socket. */
  addBacklog(bytes: number): void {
    this.backlogBytes += bytes;
    this.countLeaving();
  }

  /** A budget asks for the bytes that are held here. */
  shed(error: RookeryError): void {
    // Who takes nothing would not take a goodbye either.
    if (this.socket.writableLength > 0) return this.destroy(error);
    this.decoder.stop();
    this.owner.onProtocolError(error);
  }

  /** Called now and then by the owner: ends a peer that sends a frame too slowly. */
  checkArrival(nowMs: number): void {
    const { decoder, limits } = this;
    // Who is not listened to cannot be blamed for what has not arrived.
    if (!decoder.isMidFrame || decoder.partialFrame !== this.partialFrame || this.isPaused) {
      this.partialFrame = decoder.isMidFrame ? decoder.partialFrame : -1;
      this.partialSeenAtMs = nowMs;
      return;
    }
    const allowedMs = limits.frameTimeoutMs + (decoder.partialBytes / limits.minFrameBytesPerSecond) * 1_000;
    if (nowMs - this.partialSeenAtMs < allowedMs) return;
    decoder.stop();
    this.owner.onProtocolError(
      new RookeryError(
        'FRAME_TIMEOUT',
        `a frame was not complete within ${Math.round(allowedMs)} ms (limits.frameTimeoutMs)`,
      ),
    );
  }

  /** Called now and then by the owner: cuts a peer that has taken nothing for too long. */
  checkStall(nowMs: number): void {
    const { socket } = this;
    const taken = socket.bytesWritten - socket.writableLength - kernelBacklog(socket);
    if (socket.writableLength === 0 || taken !== this.bytesTaken) {
      this.bytesTaken = taken;
      this.takenAtMs = nowMs;
    } else if (nowMs - this.takenAtMs >= this.limits.sendStallMs) {
      this.giveUp(
        new RookeryError('CONNECTION_LOST', `the peer took nothing for ${this.limits.sendStallMs} ms and was cut`),
      );
    }
  }

  /** Sends what was written, then closes. */
  end(): void {
    if (!this.isOpen) return;
    if (isSecuring(this.socket)) return void this.socket.destroy();
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
    this.end();
    // What a flooder still sends is not even read.
    this.pauseReading();
  }

  destroy(error?: Error): void {
    this.closeError ??= error;
    this.decoder.stop();
    this.socket.destroy();
  }

  /** Drops a peer that went silent, and what the kernel still holds for it: nothing of it is to arrive when nobody waits for it any more. */
  giveUp(error: Error): void {
    const { socket } = this;
    // Only TCP itself has a reset.
    if (socket.remoteFamily === undefined || 'encrypted' in socket) return this.destroy(error);
    this.closeError ??= error;
    this.decoder.stop();
    socket.resetAndDestroy();
  }

  private readonly beginTurn = (): void => {
    if (!this.isOpen || !this.decoder.isHeld) return;
    this.decode(undefined);
    if (this.isOpen && !this.decoder.isHeld && !this.isBackedUp) this.socket.resume();
  };

  /** The peer has ended its side: there is no further turn, and what it sent before counts. */
  private finishTurns(): void {
    while (this.isOpen && this.decoder.isHeld) this.decode(undefined);
  }

  private read(chunk: Buffer): void {
    const nowMs = performance.now();
    const silentMs = nowMs - this.lastReadAtMs;
    if (silentMs > SILENCE_MS) {
      this.silentForMs = silentMs;
      this.silenceEndsAtMs = nowMs + BURST_MS;
    } else if (nowMs > this.silenceEndsAtMs) this.silentForMs = 0;
    this.lastReadAtMs = nowMs;
    this.decode(chunk);
  }

  /** A chunk, or what was left of the last one. */
  private decode(chunk: Buffer | undefined): void {
    const { decoder } = this;
    const allowance = this.turn?.allowance ?? 0;
    this.callsThisTurn = allowance;
    try {
      if (chunk === undefined) decoder.goOn();
      else decoder.push(chunk);
      this.turn?.took(allowance - this.callsThisTurn);
      if (this.arrivingBytes > 0 || decoder.partialBytes > 0) this.countArriving();
    } catch (error) {
      decoder.stop();
      this.owner.onProtocolError(RookeryError.is(error) ? (chunk ? unlessTls(error, chunk) : error) : internal(error));
    }
  }

  /** What is read from now on was sent lately. */
  endSilence(): void {
    this.silentForMs = 0;
  }

  private drained(): void {
    this.isBackedUp = false;
    this.countLeaving();
    if (!this.isBetweenTurns) this.socket.resume();
    this.owner.onDrained();
  }

  private closed(): void {
    this.decoder.stop();
    this.countArriving();
    this.budgets?.leaving.hold(this, 0);
    this.owner.onSocketClosed(this.closeError);
  }

  private countArriving(): void {
    const { partialBytes, partialFrame } = this.decoder;
    this.budgets?.arriving.hold(this, partialBytes, partialFrame !== this.arrivingFrame);
    this.arrivingBytes = partialBytes;
    this.arrivingFrame = partialFrame;
  }

  private countLeaving(): void {
    const bytes = this.socket.destroyed ? 0 : this.socket.writableLength + this.backlogBytes;
    if (bytes === this.leavingBytes) return;
    this.leavingBytes = bytes;
    this.budgets?.leaving.hold(this, bytes);
  }
}

/** Of a write under way, what the kernel has not taken: a slow reader of one large write does take something all the while. */
function kernelBacklog(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: (Handle & { _parent?: Handle }) | null };
  // Over TLS what counts is the socket below: TLS itself counts a write when all of it has gone.
  return (handle?._parent ?? handle)?.writeQueueSize ?? 0;
}

/** What of Node's own handles is looked at; where a version has it no more, a slow reader of one large write looks like one that stalls. */
interface Handle {
  readonly writeQueueSize?: number;
}

function internal(cause: unknown): RookeryError {
  return new RookeryError('FRAME_MALFORMED', `a frame could not be handled: ${(cause as Error).message}`, { cause });
}
