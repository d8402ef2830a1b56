import type { RookeryError } from '../core/errors.js';

const LOG_EVERY_MS = 10_000;

/** Tells of refused connections without letting who is refused fill the log: one line in ten seconds, with the number of those it passed over. */
export class RefusalLog {
  private lastAtMs = -Infinity;
  private passedOver = 0;

  constructor(
    private readonly warn: (line: string) => void,
    private readonly now: () => number,
  ) {}

  note(error: RookeryError, address: string): void {
    const nowMs = this.now();
    if (nowMs - this.lastAtMs < LOG_EVERY_MS) {
      this.passedOver++;
      return;
    }
    const others = this.passedOver === 0 ? '' : `; ${this.passedOver} others since the last such line`;
    this.lastAtMs = nowMs;
    this.passedOver = 0;
    this.warn(`the connection from ${address} was refused or cut (${error.reason}): ${error.message}${others}`);
  }
}
