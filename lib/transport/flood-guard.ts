import { RookeryError } from '../core/errors.js';
import type { TransportLimits } from './limits.js';

type FloodLimits = Pick<TransportLimits, 'maxPingsPerSecond' | 'maxCancelsPerSecond' | 'maxIdleFramesPerSecond'>;

/** Credit below this is counted as leading to nothing: an honest reader gives back half a window at once. */
export const SMALL_CREDIT_BYTES = 1_024;

/** How many frames that lead to nothing a call counts for which has no handler, or comes beyond those in flight: about what it costs. */
export const USELESS_CALL_WEIGHT = 4;
/** The same of a call that cannot be read. */
export const UNREADABLE_CALL_WEIGHT = 20;
/** The same of a call whose head is over the limits, and may be large. */
export const OVERSIZE_HEAD_WEIGHT = 100;

const WINDOW_MS = 1_000;

/**
 * Counts what costs a peer nothing to send and this end something to read: in windows of a second, per connection.
 * Each method throws `PEER_FLOODED` when there was more of it than the limit.
 */
export class FloodGuard {
  /** Calls since the window began; counted by the owner. */
  calls = 0;
  private windowEndMs = 0;
  private pings = 0;
  private cancels = 0;
  private idleFrames = 0;

  constructor(private readonly limits: FloodLimits) {}

  onPing(nowMs: number): void {
    this.turnWindow(nowMs);
    if (++this.pings > this.limits.maxPingsPerSecond) throw flooded(this.pings, 'PINGs', 'maxPingsPerSecond');
  }

  /** @param silentMs how long nothing was read before: what comes then may have been sent over that time */
  onCancel(nowMs: number, silentMs: number): void {
    this.turnWindow(nowMs);
    if (++this.cancels > this.limits.maxCancelsPerSecond * windows(silentMs) && this.cancels * 2 > this.calls)
      throw flooded(this.cancels, 'CANCELs', 'maxCancelsPerSecond');
  }

  /** A frame that leads to nothing. */
  onIdleFrame(nowMs: number, silentMs: number, weight = 1): void {
    this.turnWindow(nowMs);
    this.idleFrames += weight;
    if (this.idleFrames > this.limits.maxIdleFramesPerSecond * windows(silentMs))
      throw flooded(this.idleFrames, 'frames that lead to nothing', 'maxIdleFramesPerSecond');
  }

  private turnWindow(nowMs: number): void {
    if (nowMs < this.windowEndMs) return;
    this.windowEndMs = nowMs + WINDOW_MS;
    this.calls = this.pings = this.cancels = this.idleFrames = 0;
  }
}

function windows(silentMs: number): number {
  return 1 + silentMs / WINDOW_MS;
}

function flooded(count: number, what: string, limit: string): RookeryError {
  return new RookeryError('PEER_FLOODED', `${count} ${what} within a second; the limit is limits.${limit}`);
}
