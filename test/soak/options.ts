import { parseArgs } from 'node:util';

export interface SoakOptions {
  /** Of load and faults, the warm-up included. @default 60 */
  readonly minutes: number;
  /** Of the faults and of the load's mixture. @default drawn */
  readonly seed: number;
  /** Calls a second, of all clients together. @default 300 */
  readonly rate: number;
  /** From one fault to the next. @default 30 */
  readonly faultSeconds: number;
  /** From one sample to the next. @default 10 */
  readonly sampleSeconds: number;
  readonly jsonFile: string | undefined;
  readonly wantsHelp: boolean;
}

export const HELP = `npm run soak -- [options]

  --minutes N         how long, warm-up included (60)
  --seed N            repeats the order of faults and the mixture of calls (drawn, and printed)
  --rate N            calls a second, all clients together (300)
  --fault-seconds N   from one fault to the next (30)
  --sample-seconds N  from one sample of every process to the next (10)
  --json FILE         write the samples and the verdict as JSON, too
  --help              this text
`;

/** @throws Error naming the option, what it got and what it takes */
export function parseOptions(argv: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string', default: '60' },
      seed: { type: 'string' },
      rate: { type: 'string', default: '300' },
      'fault-seconds': { type: 'string', default: '30' },
      'sample-seconds': { type: 'string', default: '10' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    minutes: positive('--minutes', values.minutes),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : positive('--seed', values.seed),
    rate: positive('--rate', values.rate),
    faultSeconds: positive('--fault-seconds', values['fault-seconds']),
    sampleSeconds: positive('--sample-seconds', values['sample-seconds']),
    jsonFile: values.json,
    wantsHelp: values.help,
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`${option}: expected a number above 0, got "${text}"`);
}
