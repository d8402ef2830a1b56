import { setTimeout as sleep } from 'node:timers/promises';

export interface Load {
  callsPerSecond: number;
  seconds: number;
}

const TICK_MS = 10;

/**
 * Starts calls at a steady rate, whether or not the earlier ones have ended, as customers do: a service that stalls is not spared.
 *
 * @returns when the last call has ended
 */
export async function steadyLoad({ callsPerSecond, seconds }: Load, call: (index: number) => Promise<void>) {
  const calls: Promise<void>[] = [];
  const startedAtMs = performance.now();
  for (;;) {
    const elapsed = Math.min(seconds, (performance.now() - startedAtMs) / 1_000);
    while (calls.length < elapsed * callsPerSecond) calls.push(call(calls.length));
    if (elapsed === seconds) break;
    await sleep(TICK_MS);
  }
  await Promise.all(calls);
}
