import type { Socket } from 'node:net';

import { spread, type Rng } from '../core/random.js';
import { HEALTHY, type Toxics } from './fault-proxy-toxics.js';

/** What a lane shares with its link. */
export interface LaneOptions {
  rng: Rng;
  /** Bytes held here before the source is read no further. */
  maxHeldBytes: number;
  onPassed(bytes: number): void;
  onSwallowed(bytes: number): void;
  /** The connection is to be reset. */
  onReset(): void;
}

/** Bytes on their way, or the end of them. */
interface Parcel {
  bytes: Buffer | 'end' | 'reset';
  readonly dueAtMs: number;
}

/** A limited rate is passed on in pieces of about this long, so that it is even. */
const PIECE_MS = 20;

/** One direction of a connection: from a socket to a socket, as late, slow, small and whole as its toxics say. */
export class Lane {
  toxics: Readonly<Toxics> = HEALTHY;
  /** Something was swallowed: what follows would make no sense, and is swallowed too. */
  hasLost = false;

  private readonly held: Parcel[] = [];
  private heldBytes = 0;
  private lastDueAtMs = 0;
  /** When the rate allows the next piece. */
  private freeAtMs = 0;
  private isCut = false;
  private timer: NodeJS.Timeout | undefined;
  private turn: NodeJS.Immediate | undefined;

  constructor(
    private readonly source: Socket,
    private readonly sink: Socket,
    private readonly options: LaneOptions,
  ) {
    source.on('data', (chunk: Buffer) => this.takeBytes(chunk));
    source.on('end', () => this.take('end'));
    sink.on('drain', this.pump);
  }

  /** Takes effect for bytes that are read from now on; a rate, slices and the flow also for those held. */
  set(toxics: Readonly<Toxics>): void {
    this.toxics = toxics;
    if (toxics.flow === 'black-hole') this.dropHeld();
    this.readOrWait();
    this.pump();
  }

  /** Ends the direction towards its sink; what the source still sends is lost. */
  cut(): void {
    this.isCut = true;
    this.dropHeld();
    this.sink.end();
  }

  /** The source is gone without an end. */
  sourceReset(): void {
    this.take('reset');
  }

  stop(): void {
    clearTimeout(this.timer);
    clearImmediate(this.turn);
    this.held.length = 0;
  }

  private takeBytes(chunk: Buffer): void {
    const { resetChance } = this.toxics;
    if (resetChance > 0 && this.options.rng() < resetChance) return this.options.onReset();
    this.take(chunk);
  }

  private take(bytes: Buffer | 'end' | 'reset'): void {
    if (this.isCut) return this.lose(bytes);
    if (this.toxics.flow === 'black-hole') this.hasLost = true;
    if (this.hasLost) return this.lose(bytes);
    const { latencyMs, jitterMs } = this.toxics;
    const delayMs = jitterMs > 0 ? latencyMs + spread(jitterMs, 1, this.options.rng) - jitterMs : latencyMs;
    this.lastDueAtMs = Math.max(this.lastDueAtMs, performance.now() + delayMs);
    this.held.push({ bytes, dueAtMs: this.lastDueAtMs });
    if (typeof bytes !== 'string') this.heldBytes += bytes.length;
    this.readOrWait();
    if (this.held.length === 1) this.pump();
  }

  /** Passes on what is due, and comes back when more is. */
  private readonly pump = (): void => {
    clearTimeout(this.timer);
    clearImmediate(this.turn);
    while (this.held.length > 0 && this.toxics.flow === 'pass') {
      const waitMs = Math.max(this.held[0]!.dueAtMs, this.freeAtMs) - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(this.pump, waitMs);
        return;
      }
      // Its 'drain' goes on.
      if (this.sink.writableNeedDrain) return;
      this.passOn(this.held[0]!);
      if (this.toxics.sliceBytes > 0) {
        this.turn = setImmediate(this.pump);
        return;
      }
    }
  };

  private passOn(parcel: Parcel): void {
    const { bytes } = parcel;
    if (typeof bytes === 'string') {
      this.held.shift();
      if (bytes === 'end') this.sink.end();
      else this.options.onReset();
      return;
    }
    const piece = bytes.subarray(0, this.pieceBytes());
    if (piece.length === bytes.length) this.held.shift();
    else parcel.bytes = bytes.subarray(piece.length);
    this.heldBytes -= piece.length;
    this.chargeRate(piece.length);
    if (this.sink.writable) this.sink.write(piece);
    this.options.onPassed(piece.length);
    this.readOrWait();
  }

  private pieceBytes(): number {
    const { sliceBytes, bytesPerSecond } = this.toxics;
    const evenBytes = bytesPerSecond > 0 ? Math.ceil((bytesPerSecond * PIECE_MS) / 1_000) : Infinity;
    return Math.min(sliceBytes || Infinity, evenBytes);
  }

  private chargeRate(bytes: number): void {
    const { bytesPerSecond } = this.toxics;
    if (bytesPerSecond === 0) return;
    // A timer that came late is made up for.
    this.freeAtMs = Math.max(this.freeAtMs, performance.now() - PIECE_MS) + (bytes / bytesPerSecond) * 1_000;
  }

  private readOrWait(): void {
    if (this.toxics.flow === 'freeze' || this.heldBytes > this.options.maxHeldBytes) this.source.pause();
    else this.source.resume();
  }

  private dropHeld(): void {
    if (this.held.length > 0) this.hasLost = true;
    for (const { bytes } of this.held.splice(0)) this.lose(bytes);
    this.heldBytes = 0;
  }

  private lose(bytes: Buffer | 'end' | 'reset'): void {
    if (typeof bytes !== 'string') this.options.onSwallowed(bytes.length);
  }
}
