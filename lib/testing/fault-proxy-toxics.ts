import { invalidOption, integerOption, numberOption } from '../core/options.js';

/**
 * What a fault proxy does to the bytes of one direction.
 *
 * @publicApi
 */
export interface Toxics {
  /** How long bytes are held before they are passed on, in ms. @default 0 @range 0–600,000 */
  latencyMs: number;
  /** Evenly more or less than that, by the proxy's seed; bytes keep their order. @default 0 @range 0–600,000 */
  jitterMs: number;
  /** 0: as fast as they are taken. @default 0 @range 0–1,000,000,000 */
  bytesPerSecond: number;
  /** Bytes passed on at once, each piece as a write of its own in a turn of the event loop of its own; 0: as they come. @default 0 @range 0–65,536 */
  sliceBytes: number;
  /** Share of the chunks read that reset the connection instead of being passed on, by the proxy's seed. @default 0 @range 0–1 */
  resetChance: number;
  /**
   * - `'pass'`
   * - `'freeze'`: nothing is read and nothing passed on, and TCP's back-pressure builds up; everything arrives late, after `heal`. As a
   *   stopped process looks, and a network that comes back.
   * - `'black-hole'`: everything is read and lost, ends and resets included; new connections are accepted and lead nowhere. What lost bytes
   *   cannot go on: `heal` resets it.
   *
   * @default 'pass'
   */
  flow: 'pass' | 'freeze' | 'black-hole';
}

/** Nothing is done. */
export const HEALTHY: Readonly<Toxics> = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: 0,
  sliceBytes: 0,
  resetChance: 0,
  flow: 'pass',
};

const MAX_MS = 600_000;
const FLOWS: readonly unknown[] = ['pass', 'freeze', 'black-hole'];

/** What is not given stays as it was. @throws ConfigurationError `OPTION_INVALID` naming the field */
export function withToxics(before: Readonly<Toxics>, given: Partial<Toxics>): Toxics {
  const { flow = before.flow } = given;
  if (!FLOWS.includes(flow)) throw invalidOption('flow', `'pass', 'freeze' or 'black-hole'`, flow);
  return {
    latencyMs: numberOption('latencyMs', given.latencyMs, before.latencyMs, { max: MAX_MS }),
    jitterMs: numberOption('jitterMs', given.jitterMs, before.jitterMs, { max: MAX_MS }),
    bytesPerSecond: integerOption('bytesPerSecond', given.bytesPerSecond, before.bytesPerSecond, { max: 1e9 }),
    sliceBytes: integerOption('sliceBytes', given.sliceBytes, before.sliceBytes, { max: 65_536 }),
    resetChance: numberOption('resetChance', given.resetChance, before.resetChance, { max: 1 }),
    flow,
  };
}
