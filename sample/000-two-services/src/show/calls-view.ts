import { say, table } from './screen.js';
import { byInstance, failuresOf, percentile, type Tally } from './tally.js';
import type { Sample } from '../shop/sample.js';

/** Once a second: how many calls ended, and who served them. @returns stops it */
export function tellEachSecond(tally: Tally, instances: readonly string[]): () => void {
  const timer = setInterval(() => say('calls', secondLine(tally.takeNew(), instances)), 1_000);
  return () => clearInterval(timer);
}

function secondLine(samples: readonly Sample[], instances: readonly string[]): string {
  const counts = byInstance(samples);
  const shares = instances.map((name) => `${name} ${String(counts.get(name) ?? '-').padStart(3)}`);
  const failed = failuresOf(samples).length;
  return `${pad(samples.length - failed)} ok ${pad(failed)} failed  p99 ${pad(ms(percentile(samples, 0.99)))}   ${shares.join('   ')}`;
}

/** @param fates what became of each instance */
export function closingTables(tally: Tally, killedAtMs: number, fates: ReadonlyMap<string, string>): void {
  const { samples } = tally;
  const latencies = (name: string, of: readonly Sample[]) => [
    name,
    String(of.length),
    String(failuresOf(of).length),
    ms(percentile(of, 0.5)),
    ms(percentile(of, 0.99)),
  ];
  table(
    ['orders.place', 'calls', 'failed', 'p50', 'p99'],
    [latencies('overall', samples), latencies('second after kill', tally.secondAfter(killedAtMs))],
  );
  console.log();
  const counts = byInstance(samples);
  const share = (count: number) => `${((100 * count) / samples.length).toFixed(1)} %`;
  const rows = [...fates].map(([name, fate]) => [
    name,
    String(counts.get(name) ?? 0),
    share(counts.get(name) ?? 0),
    fate,
  ]);
  table(['instance', 'calls', 'share', 'fate'], rows);
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function pad(value: number | string): string {
  return String(value).padStart(typeof value === 'string' ? 8 : 3);
}
