/** Calls that one connection may make in one turn of the event loop. */
const MAX_CALLS_EACH = 128;
/** Calls of all connections in one turn, beyond which each gets only a few more. */
const MAX_CALLS = 384;
const FEW_CALLS = 8;

/**
 * Shares out the turns of the event loop: however much many peers send at once, a turn stays short, so that nobody else waits for long.
 * What a connection has left over is for its next turn.
 */
export class Turn {
  private calls = 0;
  private isEnding = false;

  /** Calls that a connection may take from what it has read. */
  get allowance(): number {
    return Math.max(FEW_CALLS, Math.min(MAX_CALLS_EACH, MAX_CALLS - this.calls));
  }

  /** As many were taken. The end of the turn is only looked for when there were many, for to look for it costs the event loop its sleep. */
  took(calls: number): void {
    this.calls += calls;
    if (this.isEnding || this.calls * 2 < MAX_CALLS) return;
    this.isEnding = true;
    setImmediate(this.end);
  }

  private readonly end = (): void => {
    this.calls = 0;
    this.isEnding = false;
  };
}
