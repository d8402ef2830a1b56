/** What `ROOKERY_FUZZ_SEQUENCES` counts: sequences of the frame decoder under CI. Everything else keeps its share of them. */
const CI_SEQUENCES = 2_000_000;

/** How much of something is run. */
export interface Volume {
  /** By every `npm test`. */
  always: number;
  /** Where `CI` is set, and by `npm run test:fuzz`. */
  ci: number;
}

export interface Plan {
  readonly what: string;
  /** Sequence n is made from `seed + n`. */
  readonly seed: number;
  readonly runs: number;
  /** Whether so much is run that everything must have been reached. */
  readonly isWhole: boolean;
}

/**
 * How much is fuzzed, and from where: `CI` for the full volume, `ROOKERY_FUZZ_SEQUENCES` for any other (at 20,000,000 everything is run ten
 * times as often as under CI), `ROOKERY_FUZZ_SEED` to repeat a run, or to begin at one of its sequences.
 */
export function fuzzPlan(what: string, volume: Volume): Plan {
  const { ROOKERY_FUZZ_SEED: givenSeed, ROOKERY_FUZZ_SEQUENCES: asked } = process.env;
  const seed = givenSeed === undefined ? Date.now() % 2 ** 31 : wholeNumber('ROOKERY_FUZZ_SEED', givenSeed);
  const usual = isWholeVolume() ? volume.ci : volume.always;
  const runs =
    asked === undefined
      ? usual
      : Math.max(1, Math.round((wholeNumber('ROOKERY_FUZZ_SEQUENCES', asked) * volume.ci) / CI_SEQUENCES));
  console.log(`${what}: ${runs} sequences, ROOKERY_FUZZ_SEED=${seed}`);
  return { what, seed, runs, isWhole: runs >= volume.always };
}

/** The name of the script is npm's word. */
function isWholeVolume(): boolean {
  return Boolean(process.env['CI']) || process.env['npm_lifecycle_event'] === 'test:fuzz';
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name}=${text} is no whole number`);
  return value;
}

/** Says how fast it went. */
export function report({ what, runs }: Plan, elapsedMs: number, reached?: Reached): void {
  const rate = Math.round((runs / elapsedMs) * 1_000).toLocaleString('en');
  console.log(`${what}: ${runs} sequences in ${(elapsedMs / 1_000).toFixed(1)} s, ${rate}/s`);
  if (reached) console.log(`${what}: reached ${reached.shown()}`);
}

/** What the sequences of a run reached, and how often: a generator that no longer gets anywhere must fail. */
export class Reached {
  private readonly counts: Map<string, number>;

  constructor(expected: readonly string[]) {
    this.counts = new Map(expected.map((name) => [name, 0]));
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get missing(): string[] {
    return [...this.counts].filter(([, count]) => count === 0).map(([name]) => name);
  }

  shown(): string {
    return [...this.counts].map(([name, count]) => `${name} ${count}`).join(', ');
  }
}
