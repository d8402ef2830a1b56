import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;

/** Resolves once the condition holds; fails with what was awaited, and with what was there instead. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  instead: () => unknown = () => undefined,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`${what}: not within ${timeoutMs} ms${described(instead())}`);
    await sleep(POLL_MS);
  }
}

/** Fails where the task takes longer; the task itself cannot be stopped. */
export async function within<T>(what: string, timeoutMs: number, task: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: stop.signal }).then(() =>
    assert.fail(`${what}: not within ${timeoutMs} ms`),
  );
  try {
    return await Promise.race([task, late]);
  } finally {
    stop.abort();
    late.catch(() => {});
  }
}

function described(value: unknown): string {
  return value === undefined ? '' : `; instead: ${JSON.stringify(value)}`;
}
