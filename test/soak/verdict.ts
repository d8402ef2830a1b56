import { type Line, linearFit } from './linear-fit.js';
import type { Sample } from './sample.js';

/** A sample, and when it was taken: hours since the load began. */
export interface TimedSample extends Sample {
  readonly hours: number;
}

/** Of the processes that last for the run. Growth is that of a straight line through the samples after the warm-up. */
export const BOUNDS = {
  /** Resident memory, in MB an hour. */
  rssMbPerHour: 20,
  /** Heap and external buffers after a forced collection, in MB an hour. */
  heapMbPerHour: 1,
} as const;

const MB = 1024 * 1024;

/** Figures of one process. */
export interface Growth {
  readonly process: string;
  readonly samples: number;
  readonly firstRssMb: number;
  readonly lastRssMb: number;
  /** MB an hour. */
  readonly rss: Line;
  readonly heap: Line;
  readonly lastHeapMb: number;
  readonly violations: readonly string[];
}

/**
 * What counts as warm-up: ten minutes, and at most half of the run. In it the first faults of each kind bring memory to its high-water mark,
 * from which the allocator does not come back.
 */
export function warmUpHours(minutes: number): number {
  return Math.min(10, minutes / 2) / 60;
}

/**
 * Holds one process's samples to the bounds. They are of an hour: a shorter run may grow by as much as an hour would, since it cannot tell a
 * slope from noise any better.
 */
export function growthOf(process: string, samples: readonly TimedSample[], warmHours: number): Growth {
  const warm = samples.filter(({ hours }) => hours >= warmHours);
  const hours = warm.at(-1)!.hours - warm[0]!.hours;
  const rss = linearFit(warm.map((sample) => ({ x: sample.hours, y: sample.rssBytes / MB })));
  const heap = linearFit(warm.map((sample) => ({ x: sample.hours, y: sample.heapBytes / MB })));
  const share = Math.min(1, hours);
  const over = (what: string, { slope }: Line, bound: number) =>
    slope * share > bound
      ? [`${process}: ${what} grows by ${slope.toFixed(2)} MB/h; the bound is ${(bound / share).toFixed(1)}`]
      : [];
  return {
    process,
    samples: warm.length,
    firstRssMb: warm[0]!.rssBytes / MB,
    lastRssMb: warm.at(-1)!.rssBytes / MB,
    rss,
    heap,
    lastHeapMb: warm.at(-1)!.heapBytes / MB,
    violations: [...over('RSS', rss, BOUNDS.rssMbPerHour), ...over('heap', heap, BOUNDS.heapMbPerHour)],
  };
}

/** What a process at rest holds now and did not hold at rest before; both ways, since too few is as wrong. */
export function driftOf(process: string, before: Sample, after: Sample): string[] {
  const kinds = new Set([...Object.keys(before.resources), ...Object.keys(after.resources)]);
  const drifts = [...kinds].flatMap((kind) => driftText(kind, before.resources[kind] ?? 0, after.resources[kind] ?? 0));
  return [...driftText('file descriptors', before.fds, after.fds), ...drifts].map((text) => `${process}: ${text}`);
}

function driftText(what: string, before: number, after: number): string[] {
  return before === after ? [] : [`${what} went from ${before} to ${after}`];
}
