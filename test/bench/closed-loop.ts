/** What one client measured in one round. */
export interface LoopFigures {
  readonly calls: number;
  readonly seconds: number;
  /** CPU time of this process, user and system, all its threads. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LoopOptions {
  readonly inFlight: number;
  readonly seconds: number;
  /** Starts one call. */
  call(index: number): Promise<unknown>;
  /** Throws when a reply is not the right one; asked about one call in `CHECK_EVERY`. */
  check(reply: unknown, index: number): void;
}

/** A power of two. */
const CHECK_EVERY = 1_024;

/**
 * Keeps `inFlight` calls under way for `seconds`, each slot starting its next call when its last has ended. The window closes when the
 * last of them has ended, so what is counted has been paid for in full.
 */
export async function closedLoop({ inFlight, seconds, call, check }: LoopOptions): Promise<LoopFigures> {
  const latencies = new LatencySamples();
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  const deadlineMs = startedAtMs + seconds * 1_000;
  let issued = 0;

  await Promise.all(Array.from({ length: inFlight }, slot));
  const endedAtMs = performance.now();
  return {
    calls: issued,
    seconds: (endedAtMs - startedAtMs) / 1_000,
    cpuMicros: cpuMicrosSince(cpuBefore),
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
  };

  async function slot(): Promise<void> {
    for (let calledAtMs = startedAtMs; calledAtMs < deadlineMs;) {
      const index = issued++;
      const reply = await call(index);
      const repliedAtMs = performance.now();
      latencies.add(repliedAtMs - calledAtMs);
      calledAtMs = repliedAtMs;
      if (index % CHECK_EVERY === 0) check(reply, index);
    }
  }
}

export function cpuMicrosSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** The last million samples, in memory taken beforehand: adding one costs a store. */
export class LatencySamples {
  private readonly samples = new Float64Array(1 << 20);
  private added = 0;

  add(latencyMs: number): void {
    this.samples[this.added++ % this.samples.length] = latencyMs;
  }

  /** Nearest rank. */
  percentile(share: number): number {
    const sorted = this.samples.slice(0, Math.min(this.added, this.samples.length)).sort();
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  }
}
