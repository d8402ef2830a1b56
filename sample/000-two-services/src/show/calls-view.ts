import type { Sample } from '../shop/sample.js';
import { say, table } from './screen.js';
import { byInstance, failuresOf, percentile, type Tally } from './tally.js';

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
  const lines = [latencies('overall', samples), latencies('second after kill', tally.secondAfter(killedAtMs))];
  table(1, ['orders.place', 'calls', 'failed', 'p50', 'p99'], lines);

  const counts = byInstance(samples);
  const shares = [...fates].map(([name, fate]) => {
    const count = counts.get(name) ?? 0;
    return [name, fate, String(count), `${((100 * count) / samples.length).toFixed(1)} %`];
  });
  table(2, ['instance', 'fate', 'calls', 'share'], shares);
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function pad(value: number | string): string {
  return String(value).padStart(typeof value === 'string' ? 8 : 3);
}
