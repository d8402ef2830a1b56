import { isDeepStrictEqual } from 'node:util';

import { type RookeryClient, RookeryRecord } from 'nestjs-rookery';

import { countFailure, countViolation, type Tally } from './tally.js';

type Rng = () => number;

/** Longer than a frozen server is noticed in, so that a call that may be repeated has the time to be. */
const TIMEOUT = '15s';

/** One kind of call, and how many of a thousand calls are of it. */
interface Kind {
  readonly name: string;
  readonly share: number;
  run(client: RookeryClient, rng: Rng): Promise<'succeeded' | 'left'>;
  /** A call that may not be repeated may fail, but only where nobody can know whether it was executed. */
  readonly isIdempotent: boolean;
}

const SMALL = { id: 'o-17', customer: 'c-4711', total: 129.9, currency: 'EUR', isPaid: true, lines: [1, 2, 3] };
const ORDER = Array.from({ length: 80 }, (_, line) => ({
  line,
  sku: `sku-${line * 7919}`,
  quantity: line % 5,
  price: line * 1.25,
}));
const LARGE = Buffer.alloc(256 * 1024, 'rookery');
const TEXT = 'x'.repeat(200);

const KINDS: readonly Kind[] = [
  { name: 'get 100 B', share: 600, isIdempotent: true, run: (client) => echoed(client, 'get', SMALL) },
  { name: 'get 5 KiB', share: 110, isIdempotent: true, run: (client) => echoed(client, 'get', ORDER) },
  { name: 'get 256 KiB', share: 10, isIdempotent: true, run: (client) => echoed(client, 'get', LARGE) },
  { name: 'place', share: 80, isIdempotent: false, run: (client) => echoed(client, 'place', SMALL) },
  { name: 'event with ack', share: 70, isIdempotent: false, run: (client) => emitted(client, true) },
  { name: 'event', share: 40, isIdempotent: false, run: (client) => emitted(client, false) },
  {
    name: 'generator stream',
    share: 60,
    isIdempotent: false,
    run: (client, rng) => streamed(client, rng, 'lines', 60),
  },
  {
    name: 'Observable stream',
    share: 30,
    isIdempotent: false,
    run: (client, rng) => streamed(client, rng, 'ticks', 30),
  },
];

/** Open loop: so many calls a second are started, whether or not earlier ones have ended. */
export class Load {
  private timer: NodeJS.Timeout | undefined;
  private startedAtMs = 0;
  private startedHere = 0;

  constructor(
    private readonly client: RookeryClient,
    private readonly rate: number,
    private readonly rng: Rng,
    private readonly tally: Tally,
  ) {}

  start(): void {
    this.stop();
    this.startedAtMs = performance.now();
    this.startedHere = 0;
    this.timer = setInterval(() => this.startDue(), 5);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private startDue(): void {
    const due = ((performance.now() - this.startedAtMs) * this.rate) / 1_000;
    // A process that slept does not make up for more than a second of it.
    this.startedHere = Math.max(this.startedHere, due - this.rate);
    for (; this.startedHere < due; this.startedHere++) void this.run(this.drawKind());
  }

  private async run(kind: Kind): Promise<void> {
    const { tally } = this;
    tally.started++;
    tally.inFlight++;
    try {
      tally[await kind.run(this.client, this.rng)]++;
    } catch (error) {
      countFailure(tally, kind.name, error, mayFail(kind, error));
    } finally {
      tally.inFlight--;
    }
  }

  private drawKind(): Kind {
    let drawn = this.rng() * 1_000;
    return KINDS.find(({ share }) => (drawn -= share) < 0) ?? KINDS[0]!;
  }

  /** What a slow reader is: it takes one value, and no more for a while. */
  async readSlowly(waitMs: number): Promise<void> {
    try {
      for await (const _ of this.client.stream('lines', { count: 100_000, text: TEXT }, { timeout: '60s' })) {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        return;
      }
    } catch (error) {
      countFailure(this.tally, 'slow reader', error, (error as { outcome?: string }).outcome === 'unknown');
    }
  }

  /** Streams that run until the process does not. */
  openEndless(count: number): void {
    for (let opened = 0; opened < count; opened++) {
      this.client.send('ticks', { count: 1_000_000 }).subscribe({ error: () => undefined });
      this.client.send('lines', { count: 1_000_000, text: TEXT }).subscribe({ error: () => undefined });
    }
  }

  /** Says so in the tally where calls have not ended in time. */
  async idle(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while (this.tally.inFlight > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.tally.inFlight > 0)
      countViolation(this.tally, `${this.tally.inFlight} calls have not ended within ${withinMs} ms`);
  }
}

function mayFail({ isIdempotent }: Kind, error: unknown): boolean {
  return !isIdempotent && (error as { outcome?: string }).outcome === 'unknown';
}

async function echoed(client: RookeryClient, pattern: string, body: unknown): Promise<'succeeded'> {
  const reply = await client.call<unknown>(pattern, body, { timeout: TIMEOUT });
  const isEqual = Buffer.isBuffer(body) ? body.equals(reply as Buffer) : isDeepStrictEqual(reply, body);
  if (!isEqual) throw new Error(`${pattern} was answered with something else`);
  return 'succeeded';
}

function emitted(client: RookeryClient, ack: boolean): Promise<'succeeded'> {
  return new Promise((resolve, reject) => {
    client
      .emit('noted', new RookeryRecord(SMALL, { ack, timeout: TIMEOUT }))
      .subscribe({ complete: () => resolve('succeeded'), error: reject });
  });
}

/** Reads to the end, or leaves in the middle: half and half. */
async function streamed(
  client: RookeryClient,
  rng: Rng,
  pattern: string,
  count: number,
): Promise<'succeeded' | 'left'> {
  const leaveAt = rng() < 0.5 ? Math.floor(rng() * count) : count;
  let seen = 0;
  for await (const _ of client.stream(pattern, { count, text: TEXT }, { timeout: TIMEOUT })) {
    if (++seen > leaveAt) return 'left';
  }
  if (seen !== count) throw new Error(`a stream of ${count} values ended after ${seen}`);
  return 'succeeded';
}
