import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a process holds once garbage is gone. */
export interface Memory {
  /** JavaScript's heap, and the buffers beside it. */
  readonly heapBytes: number;
  /** Resident, kernel memory not included: what a socket's buffers take there is in no process's figures. */
  readonly rssBytes: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export async function settledMemory(): Promise<Memory> {
  // What is freed with its finalizer, or by a promise job, goes in a later round.
  for (let round = 0; round < 3; round++) {
    await pause(100);
    collectGarbage();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}
