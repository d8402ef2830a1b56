import type { Refusal } from './discovery-event.js';
import type { FilteredList } from './record-filter.js';

/** Between two reports of one service. */
export const REPORT_INTERVAL_MS = 10_000;

const MAX_EXAMPLES = 5;
const MAX_REMEMBERED = 1_000;

/** Reports each poisoned record once, however often the registry repeats it, and never more often than every 10 s. */
export class RefusalReport {
  private readonly reported = new Set<string>();
  private lastMs = -Infinity;

  constructor(private readonly report: (count: number, examples: readonly Refusal[]) => void) {}

  add({ refused, refusals }: FilteredList, nowMs: number): void {
    if (refused === 0 || nowMs - this.lastMs < REPORT_INTERVAL_MS) return;
    const news = refusals.filter((refusal) => !this.reported.has(keyOf(refusal)));
    if (news.length === 0) return;
    if (this.reported.size > MAX_REMEMBERED) this.reported.clear();
    for (const refusal of news) this.reported.add(keyOf(refusal));
    this.lastMs = nowMs;
    this.report(refused, news.slice(0, MAX_EXAMPLES));
  }
}

function keyOf({ instance, problem }: Refusal): string {
  return `${instance} ${problem}`;
}
