import { RookeryError } from '../core/errors.js';
import { FrameType } from '../wire/frame.js';
import type { FrameSocket } from './frame-socket.js';
import type { IncomingCall } from './incoming-call.js';

/** After a silence, up to this much is what a client sends that was merely idle; more may be a backlog whose end is still on its way. */
const FEW_CALLS = 4;
const FEW_BYTES = 16 * 1024;

/** The keep-alive's tokens are below these. */
const FIRST_TOKEN = 0x8000_0000;
/** For a PONG; whoever owes it for longer is the keep-alive's affair. */
const PATIENCE_MS = 1_000;

/**
 * Calls that may have expired before they were read: this process stood still, or the network did, for longer than they had left. What their
 * callers said since (a CANCEL, the end of the connection) lies behind them, so they wait until everything sent before is read: for a few
 * calls, two turns of the event loop in which nothing more came; for more, the answer to a PING.
 *
 * Only calls after a silence pay this. As many wait as may be in flight: each has its slot.
 */
export class LateCalls {
  private waiting: { readonly call: IncomingCall; readonly data: unknown }[] = [];
  /** Calls and bytes since the last silence. */
  private calls = 0;
  private bytes = 0;
  private silenceEndsAtMs = 0;
  private lookedAtMs = 0;
  private token = FIRST_TOKEN;
  private patience: NodeJS.Timeout | undefined;

  constructor(private readonly link: FrameSocket) {}

  /** Runs the call unless its caller turns out to have gone. */
  add(call: IncomingCall, data: unknown): void {
    const { silenceEndsAtMs } = this.link;
    if (silenceEndsAtMs !== this.silenceEndsAtMs) this.calls = this.bytes = 0;
    this.silenceEndsAtMs = silenceEndsAtMs;
    this.calls++;
    this.bytes += call.bodyBytes;
    this.waiting.push({ call, data });
    if (this.waiting.length === 1) setImmediate(this.look);
  }

  /** Everything sent before the PING was answered has been read. */
  onPong(token: number): void {
    if (token === this.token && this.patience !== undefined) this.releaseAll();
  }

  /** Also to be called when the connection is gone. */
  release(): void {
    const { link, waiting } = this;
    clearTimeout(this.patience);
    this.patience = undefined;
    this.waiting = [];
    for (const { call, data } of waiting) {
      if (link.hasEnded) call.cancel(new RookeryError('CALLER_ABORTED', 'the caller closed the connection'));
      if (call.isCancelled) call.ended();
      else call.run(data);
    }
  }

  private releaseAll(): void {
    this.link.endSilence();
    this.release();
  }

  /** Between two looks the socket is polled. */
  private readonly look = (): void => {
    const { link } = this;
    if (this.waiting.length === 0 || this.patience !== undefined) return;
    if (link.lastReadAtMs !== this.lookedAtMs || link.isBetweenTurns) {
      this.lookedAtMs = link.lastReadAtMs;
      setImmediate(this.look);
    } else if (link.hasEnded || (this.calls <= FEW_CALLS && this.bytes <= FEW_BYTES)) this.release();
    else this.ask();
  };

  private ask(): void {
    this.token = this.token === 0xffff_ffff ? FIRST_TOKEN : this.token + 1;
    this.link.writer.bare(FrameType.PING, 0, this.token);
    this.link.flushSoon();
    this.patience = setTimeout(() => this.releaseAll(), PATIENCE_MS).unref();
  }
}
