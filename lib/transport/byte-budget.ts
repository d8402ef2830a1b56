import { RookeryError } from '../core/errors.js';
import { FairShare } from './fair-share.js';

/** Somebody for whom bytes are kept, and who can be made to let go of them. */
export interface ByteHolder {
  /** Called while it holds something; afterwards it holds nothing. */
  shed(error: RookeryError): void;
}

/**
 * Bytes held for many peers together. Beyond the limit whoever has held some for the longest is cut: who sends or reads at an honest pace
 * holds nothing for long, so an attacker crowds out himself first.
 */
export class ByteBudget {
  /** In the order in which they began to hold something. */
  private readonly holders = new Map<ByteHolder, number>();
  private total = 0;

  constructor(
    private readonly maxBytes: number,
    /** For the error: `'frames that have arrived in part'`. */
    private readonly what: string,
  ) {}

  get heldBytes(): number {
    return this.total;
  }

  /** From now on the holder has this many. @param isFresh it let go of what it had before: it counts as the latest */
  hold(holder: ByteHolder, bytes: number, isFresh = false): void {
    const before = this.holders.get(holder) ?? 0;
    if (isFresh || bytes === 0) this.holders.delete(holder);
    if (bytes > 0) this.holders.set(holder, bytes);
    this.total += bytes - before;
    if (bytes > before) this.shedExcess();
  }

  private shedExcess(): void {
    while (this.total > this.maxBytes) {
      const [holder, bytes] = this.holders.entries().next().value!;
      this.holders.delete(holder);
      this.total -= bytes;
      holder.shed(
        new RookeryError(
          'TOO_MANY_BYTES',
          `${this.what} take more than ${this.maxBytes} bytes, and this connection has held some of them for the longest (limits.maxBufferedBytes)`,
        ),
      );
    }
  }
}

/** How `limits.maxBufferedBytes` is shared out. */
export class ServerBudgets {
  readonly arriving: ByteBudget;
  readonly leaving: ByteBudget;
  /** Bodies of running calls. */
  readonly bodies: FairShare;

  constructor(maxBytes: number) {
    this.arriving = new ByteBudget(maxBytes / 8, 'frames that have arrived in part');
    this.leaving = new ByteBudget(maxBytes / 2, 'replies that wait for their readers');
    this.bodies = new FairShare((maxBytes / 8) * 3);
  }
}
