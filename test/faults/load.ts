import type { RookeryClient, RookeryError } from '../../lib/index.js';

export interface CallRecord {
  readonly id: number;
  readonly pattern: string;
  /** Milliseconds from the moment it was due. */
  latencyMs: number;
  error?: RookeryError;
}

/**
 * Open-loop load: starts `rate` calls a second, whether or not earlier ones have ended, so that a stall is felt by every call it delays.
 * The call's id is its data, and the reply must be the same id.
 */
export class Load {
  readonly records: CallRecord[] = [];
  private readonly running: Promise<void>[] = [];
  private isStopped = false;
  private looping: Promise<void> | undefined;

  constructor(
    private readonly client: RookeryClient,
    private readonly rate: number,
    private readonly patternOf: (id: number) => string,
    private readonly timeout = '3s',
  ) {}

  start(): this {
    this.looping = this.loop();
    return this;
  }

  /** Ends the load, and waits for the calls under way. */
  async stop(): Promise<CallRecord[]> {
    this.isStopped = true;
    await this.looping;
    await Promise.all(this.running);
    return this.records;
  }

  get failures(): CallRecord[] {
    return this.records.filter(({ error }) => error !== undefined);
  }

  private async loop(): Promise<void> {
    const startedAt = performance.now();
    for (let id = 0; !this.isStopped; id++) {
      const dueAt = startedAt + (id * 1_000) / this.rate;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      this.running.push(this.call(id, dueAt));
    }
  }

  private async call(id: number, dueAt: number): Promise<void> {
    const record: CallRecord = { id, pattern: this.patternOf(id), latencyMs: 0 };
    this.records.push(record);
    try {
      const reply = await this.client.call<number>(record.pattern, id, { timeout: this.timeout });
      if (reply !== id) throw new Error(`call ${id} got the reply of call ${reply}`);
    } catch (error) {
      record.error = error as RookeryError;
    }
    record.latencyMs = performance.now() - dueAt;
  }
}
