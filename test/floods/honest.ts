import { RookeryClient, staticRegistry, type RookeryError } from '../../lib/index.js';
import type { RookeryClientOptions } from '../../lib/microservice/rookery-options.js';
import { atScale } from './scale.js';

/** Calls a second. */
const RATE = 400;
const WARM_UP_CALLS = atScale(4_000, 2_000);
const NEWCOMER_EVERY_MS = 100;

/** How some calls went. */
export interface Calls {
  count: number;
  failed: string[];
  p99Ms: number;
}

/** What honest clients met with for a while. */
export interface Watch {
  calls: Calls;
  /** Clients that connected, made one call and left. */
  newcomers: Calls;
}

/** An honest client that calls at a steady rate, whether or not earlier calls have ended, and others that come and go beside it. */
export class Honest {
  private readonly client: RookeryClient;

  constructor(
    private readonly port: number,
    private readonly auth: RookeryClientOptions['auth'],
  ) {
    this.client = this.newClient();
  }

  /** Until server and client have seen all of their code, and the server's heap has its size. */
  async warmUp(): Promise<void> {
    for (let done = 0; done < WARM_UP_CALLS; done += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => this.client.call('orders.get', index)));
    }
    for (let index = 0; index < 20; index++) await this.visit();
  }

  /** Calls until `until` resolves, and at least for `leastMs`. */
  async watch(leastMs: number, until: Promise<unknown> = Promise.resolve()): Promise<Watch> {
    let isOver = false;
    const startedAt = performance.now();
    void until.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    const goesOn = () => !isOver || performance.now() - startedAt < leastMs;
    const [calls, newcomers] = await Promise.all([
      steady(1_000 / RATE, goesOn, (index) => this.callOnce(this.client, index)),
      steady(NEWCOMER_EVERY_MS, goesOn, () => this.visit()),
    ]);
    return { calls, newcomers };
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async visit(): Promise<void> {
    const client = this.newClient();
    try {
      await this.callOnce(client, 7);
    } finally {
      await client.close();
    }
  }

  private async callOnce(client: RookeryClient, id: number): Promise<void> {
    const reply = await client.call<number>('orders.get', id);
    if (reply !== id) throw new Error(`call ${id} got the reply of call ${reply}`);
  }

  private newClient(): RookeryClient {
    const registry = staticRegistry({ orders: [`127.0.0.1:${this.port}`] });
    return new RookeryClient({ service: 'orders', registry, auth: this.auth, snapshotDir: false });
  }
}

/** Starts something at a steady pace; its latency counts from when it was due. */
async function steady(everyMs: number, goesOn: () => boolean, run: (index: number) => Promise<void>): Promise<Calls> {
  const latencies: number[] = [];
  const failed: string[] = [];
  const running: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let index = 0; goesOn(); index++) {
    const dueAt = startedAt + index * everyMs;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const done = run(index).catch((error: RookeryError) => void failed.push(`${error.reason}: ${error.message}`));
    running.push(done.then(() => void latencies.push(performance.now() - dueAt)));
  }
  await Promise.all(running);
  return { count: running.length, failed, p99Ms: percentile(latencies, 0.99) };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
