import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly cases: readonly string[];
  readonly systems: readonly string[];
  /** Length of one round, per system. */
  readonly seconds: number;
  readonly rounds: number;
  readonly jsonFile: string | undefined;
  readonly wantsHelp: boolean;
}

/** What can be named on the command line, and what runs when nothing is. */
export interface Choices {
  readonly cases: readonly string[];
  readonly systems: readonly string[];
}

/** @throws Error naming the option, what it got and what it takes */
export function parseOptions(argv: readonly string[], choices: Choices): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string', multiple: true },
      systems: { type: 'string', multiple: true },
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    cases: chosen('--only', values.only, choices.cases, choices.cases),
    systems: chosen('--systems', values.systems, choices.systems, choices.systems),
    seconds: positive('--seconds', values.seconds),
    rounds: Math.ceil(positive('--rounds', values.rounds)),
    jsonFile: values.json,
    wantsHelp: values.help,
  };
}

export function helpText({ cases, systems }: Choices): string {
  return `npm run bench -- [options]

  --only CASE      run this case alone; repeat it, or separate names by commas
  --systems a,b    measure these systems alone, likewise
  --seconds N      length of one round per system, after 1.5 s of warm-up (2)
  --rounds N       interleaved rounds, of which the median counts (3)
  --json FILE      write the figures as JSON, too
  --help           this text

cases    ${cases.join(' ')}
systems  ${systems.join(' ')}
`;
}

function chosen(
  option: string,
  given: readonly string[] | undefined,
  known: readonly string[],
  fallback: readonly string[],
): readonly string[] {
  if (!given) return fallback;
  const names = given
    .flatMap((value) => value.split(','))
    .map((name) => name.trim())
    .filter(Boolean);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`${option}: no such name: ${unknown.join(', ')}; there is ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${option}: expected a number above 0, got "${text}"`);
  return value;
}
