import type { Sample } from '../shop/sample.js';

/** Everything the shop reported, and what can be said of it. */
export class Tally {
  readonly samples: Sample[] = [];
  private told = 0;

  add(samples: readonly Sample[]): void {
    this.samples.push(...samples);
  }

  /** What was reported since it was last asked. */
  takeNew(): Sample[] {
    const fresh = this.samples.slice(this.told);
    this.told = this.samples.length;
    return fresh;
  }

  /** Calls that were started in the second from `startMs` on, wall time. */
  secondAfter(startMs: number): Sample[] {
    return this.samples.filter(({ startedAtMs }) => startedAtMs >= startMs && startedAtMs < startMs + 1_000);
  }
}

export function failuresOf(samples: readonly Sample[]): Sample[] {
  return samples.filter(({ error }) => error !== undefined);
}

/** Calls by the instance that served them. */
export function byInstance(samples: readonly Sample[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { servedBy } of samples) if (servedBy) counts.set(servedBy, (counts.get(servedBy) ?? 0) + 1);
  return counts;
}

/** The time within which a share of the calls had ended, in ms, failed calls included. */
export function percentile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
