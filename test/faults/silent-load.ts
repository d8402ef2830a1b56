import type { RookeryClient, RookeryError } from '../../lib/index.js';
import { monotonicMs } from './silent-stage.js';

/** Calls at a fixed rate, and by when each of them is of no use any more. */
export class ExpiringCalls {
  readonly failures: { readonly id: number; readonly error: RookeryError }[] = [];
  /** By id, on the clock of `monotonicMs`. */
  readonly deadlines: number[] = [];
  private readonly running: Promise<void>[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly startedAtMs = monotonicMs();

  constructor(
    private readonly client: RookeryClient,
    /** Calls a second. */
    private readonly rate: number,
    private readonly timeoutMs: number,
  ) {
    this.timer = setInterval(() => this.catchUp(), 5);
  }

  /** Ends it, and waits for the calls under way. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.running);
  }

  private catchUp(): void {
    const due = ((monotonicMs() - this.startedAtMs) / 1_000) * this.rate;
    while (this.deadlines.length < due) this.running.push(this.call(this.deadlines.length));
  }

  private async call(id: number): Promise<void> {
    this.deadlines.push(monotonicMs() + this.timeoutMs);
    try {
      const reply = await this.client.call<number>('orders.place', id, { timeout: this.timeoutMs });
      if (reply !== id) throw new Error(`call ${id} got the reply of call ${reply}`);
    } catch (error) {
      this.failures.push({ id, error: error as RookeryError });
    }
  }
}
