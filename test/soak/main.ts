import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { builtModule } from './built-library.js';
import { Colony } from './colony.js';
import { FAULTS } from './faults.js';
import { HELP, parseOptions, type SoakOptions } from './options.js';
import { type Outcome, reportOf } from './report.js';
import type { Sample } from './sample.js';
import { driftOf, growthOf, type TimedSample, warmUpHours } from './verdict.js';

const { seededRng } = await builtModule<typeof import('../../dist/core/random.js')>('core/random.js');

/** For what runs on for a moment after the last call: closing sockets, a dial after a fault. */
const SETTLE_MS = 8_000;
const FIRST_LOAD_MS = 15_000;

/** One run: load without a break, a fault every so often, samples of every process, and a verdict. */
class Soak {
  private readonly rng: () => number;
  private readonly colony: Colony;
  private readonly series = new Map<string, TimedSample[]>();
  private readonly faults: Record<string, number> = {};
  private readonly violations: string[] = [];
  private startedAtMs = 0;

  constructor(private readonly options: SoakOptions) {
    this.rng = seededRng(options.seed);
    this.colony = new Colony(this.rng);
    process.once('exit', () => this.colony.killAll());
  }

  async run(): Promise<Outcome> {
    const { colony } = this;
    await colony.open(this.options.rate);
    const before = await this.rest();
    this.startedAtMs = performance.now();
    await colony.startLoad();
    await Promise.all([this.strike(), this.watch()]);
    const after = await this.rest();
    for (const { name } of colony.lasting) {
      const [was, is] = [before.get(name), after.get(name)];
      this.violations.push(...(was && is ? driftOf(name, was, is) : [`${name} did not answer at rest`]));
    }
    return this.outcome();
  }

  /** What is held when nothing runs, after something has: every connection that is ever needed stands. */
  private async rest(): Promise<Map<string, Sample>> {
    await this.colony.startLoad();
    await pause(FIRST_LOAD_MS);
    await this.colony.pauseLoad();
    await pause(SETTLE_MS);
    return this.colony.samples();
  }

  private get elapsedMs(): number {
    return performance.now() - this.startedAtMs;
  }

  private get isOver(): boolean {
    return this.elapsedMs >= this.options.minutes * 60_000;
  }

  private async strike(): Promise<void> {
    const everyMs = this.options.faultSeconds * 1_000;
    for (let round = 1; ; round++) {
      await pause(Math.max(0, round * everyMs - this.elapsedMs));
      if (this.isOver) return;
      const fault = FAULTS[Math.floor(this.rng() * FAULTS.length)]!;
      this.faults[fault.name] = (this.faults[fault.name] ?? 0) + 1;
      await fault
        .strike(this.colony, this.rng)
        .catch((error: Error) => this.violations.push(`${fault.name}: ${error.message}`));
    }
  }

  private async watch(): Promise<void> {
    const everyMs = this.options.sampleSeconds * 1_000;
    for (let round = 1; !this.isOver; round++) {
      await pause(Math.max(0, round * everyMs - this.elapsedMs));
      const hours = this.elapsedMs / 3_600_000;
      const samples = await this.colony.samples();
      for (const [name, sample] of samples) {
        const points = this.series.get(name) ?? [];
        this.series.set(name, points);
        points.push({ hours, ...sample });
      }
      if ((round * everyMs) % 60_000 < everyMs) await this.tell(samples);
    }
  }

  private async tell(samples: ReadonlyMap<string, Sample>): Promise<void> {
    const tallies = await this.colony.tallies().catch(() => []);
    const calls = tallies.reduce((sum, { started }) => sum + started, 0);
    const violations = tallies.reduce((sum, { violationCount }) => sum + violationCount, this.violations.length);
    const rss = this.colony.lasting.map(
      ({ name }) => `${name} ${Math.round((samples.get(name)?.rssBytes ?? 0) / 1024 / 1024)} MB`,
    );
    console.log(
      `${(this.elapsedMs / 60_000).toFixed(0).padStart(3)} min  ${calls} calls, ${violations} violations; ${rss.join(', ')}`,
    );
  }

  private async outcome(): Promise<Outcome> {
    const { colony, options } = this;
    const tallies = await colony.tallies();
    const growths = colony.lasting.map(({ name }) =>
      growthOf(name, this.series.get(name) ?? [], warmUpHours(options.minutes)),
    );
    const violations = [
      ...this.violations,
      ...colony.unexpectedEnds,
      ...tallies.flatMap((tally) => tally.violations),
      ...growths.flatMap((growth) => growth.violations),
    ];
    return { seed: options.seed, minutes: options.minutes, growths, tallies, faults: this.faults, violations };
  }

  samples(): Record<string, readonly TimedSample[]> {
    return Object.fromEntries(this.series);
  }
}

const options = parsedOptions();
if (options.wantsHelp) {
  process.stdout.write(HELP);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
console.log(
  `soak: ${options.minutes} minutes, ${options.rate} calls/s, a fault every ${options.faultSeconds} s, --seed ${options.seed}`,
);
const soak = new Soak(options);
const outcome = await soak.run();
console.log(reportOf(outcome));
if (options.jsonFile) writeFileSync(options.jsonFile, JSON.stringify({ ...outcome, samples: soak.samples() }, null, 2));
process.exit(outcome.violations.length === 0 ? 0 : 1);

function parsedOptions(): SoakOptions {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}
