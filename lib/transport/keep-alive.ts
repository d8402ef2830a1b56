import { RookeryError } from '../core/errors.js';
import { WheelEntry, type TimerWheel } from '../core/timer-wheel.js';
import { FrameType } from '../wire/frame.js';
import type { FrameSocket } from './frame-socket.js';

/**
 * When a silent peer is asked whether it is still there, and how long it may take to answer. TCP alone does not tell.
 *
 * @publicApi
 */
export interface KeepAliveTimes {
  /** Silence with calls in flight before a PING. @default 3 s */
  busyAfterMs: number;
  /** Time for the answer with calls in flight. @default 2 s */
  busyTimeoutMs: number;
  /** Silence without calls before a PING. @default 20 s */
  idleAfterMs: number;
  /** Time for the answer without calls. @default 5 s */
  idleTimeoutMs: number;
}

export const KEEP_ALIVE_TIMES: Readonly<KeepAliveTimes> = {
  busyAfterMs: 3_000,
  busyTimeoutMs: 2_000,
  idleAfterMs: 20_000,
  idleTimeoutMs: 5_000,
};

/** How often a connection is looked at, at the least. */
const CHECK_EVERY_MS = 1_000;

/** Watches one socket for silence and for a peer that reads nothing. One wheel entry, whatever the traffic. */
export class KeepAlive extends WheelEntry {
  private pingSentAtMs: number | undefined;
  private token = 0;
  private readonly checkEveryMs: number;

  constructor(
    private readonly link: FrameSocket,
    private readonly wheel: TimerWheel,
    private readonly times: KeepAliveTimes,
    /** Monotonic time since when the peer owes us something, or `undefined` while it owes nothing. */
    private readonly busySinceMs: () => number | undefined,
  ) {
    super();
    this.checkEveryMs = Math.min(CHECK_EVERY_MS, times.busyAfterMs, times.idleAfterMs);
  }

  start(): void {
    this.wheel.add(this, performance.now() + this.checkEveryMs);
  }

  stop(): void {
    this.wheel.remove(this);
  }

  onExpired(): void {
    if (!this.link.isOpen) return;
    const now = performance.now();
    this.link.checkStall(now);
    this.link.checkArrival(now);
    if (!this.link.isOpen) return;
    if (this.link.isPaused) return this.waitWhilePaused(now);
    const busySince = this.busySinceMs();
    const dueMs =
      this.pingSentAtMs === undefined
        ? this.askIfSilent(now, busySince)
        : this.awaitAnswer(now, busySince, this.pingSentAtMs);
    this.wheel.add(this, Math.min(dueMs, now + this.checkEveryMs));
  }

  /** Who is not listened to cannot be blamed for silence; `checkStall` sees to it that this ends. */
  private waitWhilePaused(now: number): void {
    this.pingSentAtMs = undefined;
    this.wheel.add(this, now + this.checkEveryMs);
  }

  private askIfSilent(now: number, busySince: number | undefined): number {
    const { busyAfterMs, idleAfterMs } = this.times;
    const dueMs =
      busySince === undefined
        ? this.link.lastReadAtMs + idleAfterMs
        : Math.max(this.link.lastReadAtMs, busySince) + busyAfterMs;
    if (now < dueMs) return dueMs;
    this.token = (this.token + 1) & 0x7fff_ffff;
    this.pingSentAtMs = now;
    this.link.writer.bare(FrameType.PING, 0, this.token);
    this.link.flushSoon();
    return now + this.timeoutMs(busySince);
  }

  private awaitAnswer(now: number, busySince: number | undefined, sentAtMs: number): number {
    const dueMs = sentAtMs + this.timeoutMs(busySince);
    if (this.link.lastReadAtMs >= sentAtMs) this.pingSentAtMs = undefined;
    // This process may have been the one that slept: look once more after the socket had its chance to be read.
    else if (now >= dueMs) setImmediate(() => setImmediate(() => this.giveUpUnlessHeard(sentAtMs)));
    return dueMs > now ? dueMs : now + this.checkEveryMs;
  }

  private giveUpUnlessHeard(sentAtMs: number): void {
    if (this.link.lastReadAtMs >= sentAtMs || !this.link.isOpen) return;
    const silentMs = Math.round(performance.now() - this.link.lastReadAtMs);
    this.link.giveUp(
      new RookeryError(
        'CONNECTION_LOST',
        `the peer went silent: nothing heard for ${silentMs} ms, not even the answer to a ping`,
      ),
    );
  }

  private timeoutMs(busySince: number | undefined): number {
    return busySince === undefined ? this.times.idleTimeoutMs : this.times.busyTimeoutMs;
  }
}
