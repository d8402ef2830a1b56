import type { Growth } from './verdict.js';
import type { Tally } from './tally.js';

export interface Outcome {
  readonly seed: number;
  readonly minutes: number;
  readonly growths: readonly Growth[];
  readonly tallies: readonly Tally[];
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>;
  /** Everything that must not be; empty is a pass. */
  readonly violations: readonly string[];
}

export function reportOf({ seed, minutes, growths, tallies, faults, violations }: Outcome): string {
  const total = (count: (tally: Tally) => number) => tallies.reduce((sum, tally) => sum + count(tally), 0);
  const struck = Object.entries(faults);
  return [
    '',
    `${minutes.toFixed(1)} minutes, seed ${seed}`,
    `calls: ${total(({ started }) => started).toLocaleString('en')} started, ${total(({ succeeded }) => succeeded).toLocaleString('en')} succeeded, ${total(({ left }) => left).toLocaleString('en')} streams left by their reader`,
    ...failureLines(tallies),
    `faults: ${struck.reduce((sum, [, times]) => sum + times, 0)}`,
    ...struck.map(([name, times]) => `  ${times} × ${name}`),
    'after the warm-up, a straight line through the samples of each lasting process:',
    ...growths.map(growthLine),
    violations.length === 0 ? 'passed' : `failed:\n${violations.map((text) => `  ${text}`).join('\n')}`,
  ].join('\n');
}

function growthLine({ process, samples, firstRssMb, lastRssMb, rss, heap, lastHeapMb }: Growth): string {
  const perHour = ({ slope, slopeError }: Growth['rss']) => `${slope.toFixed(2)} ± ${slopeError.toFixed(2)} MB/h`;
  return `  ${process.padEnd(9)} RSS ${firstRssMb.toFixed(1)} → ${lastRssMb.toFixed(1)} MB, ${perHour(rss)}; heap ${lastHeapMb.toFixed(1)} MB, ${perHour(heap)}; ${samples} samples`;
}

function failureLines(tallies: readonly Tally[]): string[] {
  const totals = new Map<string, number>();
  for (const { failures } of tallies) {
    for (const [kind, reasons] of Object.entries(failures)) {
      for (const [reason, count] of Object.entries(reasons)) {
        const name = `${kind}: ${reason}`;
        totals.set(name, (totals.get(name) ?? 0) + count);
      }
    }
  }
  return [...totals].map(([name, count]) => `  failed: ${count} × ${name}`);
}
