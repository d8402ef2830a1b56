import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** What one process holds. */
export interface Sample {
  readonly rssBytes: number;
  /** JavaScript's heap and the buffers beside it, after a forced collection. */
  readonly heapBytes: number;
  /** Open file descriptors; 0 where there is no /proc. */
  readonly fds: number;
  /** Handles, requests and referenced timers by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

/** What calls under way hold comes and goes; the least of a few readings is nearest to what stays. */
const READINGS = 3;
const READING_EVERY_MS = 60;

/** @throws Error where the process was started without --expose-gc */
export async function takeSample(): Promise<Sample> {
  if (!globalThis.gc) throw new Error('a sample takes --expose-gc');
  let heapBytes = Infinity;
  for (let reading = 0; reading < READINGS; reading++) {
    await pause(READING_EVERY_MS);
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    heapBytes = Math.min(heapBytes, heapUsed + external);
  }
  return { rssBytes: process.memoryUsage.rss(), heapBytes, fds: openFds(), resources: activeResources() };
}

function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function openFds(): number {
  try {
    // One of them is the folder's own.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}
