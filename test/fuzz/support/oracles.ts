import { setFlagsFromString } from 'node:v8';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';

import { isReason, RookeryError } from '../../../lib/core/errors.js';

/** What nothing that is read may ever change: the names, and the values behind them. */
const GUARDED = [Object.prototype, Array.prototype, Function.prototype, Buffer.prototype, Uint8Array.prototype];
const ORIGINAL = GUARDED.map(descriptorsOf);

function descriptorsOf(prototype: object): (string | symbol | PropertyDescriptor)[] {
  return Reflect.ownKeys(prototype).flatMap((key) => [key, Reflect.getOwnPropertyDescriptor(prototype, key)!]);
}

/** @throws when a prototype has got, lost or changed something */
export function assertPrototypesUntouched(): void {
  for (const [index, prototype] of GUARDED.entries()) {
    const now = descriptorsOf(prototype);
    const before = ORIGINAL[index]!;
    if (now.length !== before.length || now.some((part, at) => !isSame(part, before[at]!)))
      throw new Error(`a prototype was changed: ${Reflect.ownKeys(prototype).map(String).join(' ')}`);
  }
}

type Part = string | symbol | PropertyDescriptor;

function isSame(now: Part, before: Part): boolean {
  if (typeof now !== 'object' || typeof before !== 'object') return now === before;
  return Object.is(now.value, before.value) && now.get === before.get && now.set === before.set;
}

/** @returns the error, if it is one of the catalogue; otherwise throws it on, as the bug it is */
export function typed(error: unknown): RookeryError {
  if (RookeryError.is(error) && isReason(error.reason)) return error;
  throw new Error(`an error of no catalogue: ${String(error)}`, { cause: error });
}

/** Runs what makes a million errors that nobody reads: most of the cost of one is its stack. */
export function withoutStacks(work: () => void): void {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Hears what nobody caught, from `watch` to `stop`; `assertQuiet` throws the first of it. */
export class UncaughtWatch {
  private readonly heard: unknown[] = [];
  private readonly hear = (error: unknown) => void this.heard.push(error);

  watch(): this {
    process.on('uncaughtException', this.hear).on('unhandledRejection', this.hear);
    return this;
  }

  assertQuiet(): void {
    const [first] = this.heard.splice(0);
    if (first !== undefined) throw new Error(`nobody caught ${inspect(first)}`, { cause: first });
  }

  stop(): void {
    process.off('uncaughtException', this.hear).off('unhandledRejection', this.hear);
  }
}

/** For a measurement that a busy machine may have spoilt; one that shows growth is no better for being repeated. */
const PATIENCE_MS = 10_000;

/**
 * By what the CPU time of some work grows when its input doubles, over several doublings: steps that an engine's memory makes at one size or
 * another do not count for much then, and growth that is not linear does all the more. As many bytes are worked on at once as in small
 * parts, so that both leave the same to collect; the two alternate, and the least time of each counts, so that what else a machine does is
 * not measured.
 */
export function growth(workOn: (bytes: number) => () => void, bytes: number, doublings: number, limit: number): number {
  const parts = 2 ** doublings;
  const [small, large] = [workOn(bytes / parts), workOn(bytes)];
  const inParts = () => {
    for (let part = 0; part < parts; part++) small();
  };
  let [leastInParts, leastAtOnce] = [Infinity, Infinity];
  let found = Infinity;
  const startMs = performance.now();
  const hasTime = () => performance.now() - startMs < PATIENCE_MS;
  for (let round = 0; round < 3 || (found > limit && hasTime()); round++) {
    leastInParts = Math.min(leastInParts, cpuMs(inParts));
    leastAtOnce = Math.min(leastAtOnce, cpuMs(large));
    found = 2 * (leastAtOnce / leastInParts) ** (1 / doublings);
  }
  return found;
}

/** CPU time of a piece of work, in ms. */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

let collect: (() => void) | undefined;

/** Bytes of buffers that are alive. */
export function bufferBytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}
