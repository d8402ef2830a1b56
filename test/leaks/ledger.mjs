// What a process holds, counted exactly: for the children of these tests, which run the built package.
import { createHook } from 'node:async_hooks';
import { readdirSync } from 'node:fs';
import { queryObjects } from 'node:v8';

// Unreferenced timers are in no other list.
const timers = new Set();
createHook({
  init: (id, type) => type === 'Timeout' && timers.add(id),
  destroy: (id) => timers.delete(id),
}).enable();

/**
 * @param {Record<string, Function>} classes whose living objects are counted
 * @returns after a full collection: resources Node knows, timers, file descriptors (0 where there is no /proc), listeners of the process,
 *   living objects by class, and memory in bytes
 */
export async function ledger(classes) {
  // What has just been let go of is collected in two steps where finalizers or promises hold it.
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    holds: {
      resources: countBy(process.getActiveResourcesInfo()),
      timers: timers.size,
      fds: fds(),
      listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
      objects: Object.fromEntries(
        Object.entries(classes).map(([name, type]) => [name, queryObjects(type, { format: 'count' })]),
      ),
    },
    rssBytes: rss,
    heapBytes: heapUsed + external,
  };
}

/** Answers the parent's requests until the parent is gone. */
export function answerWith(methods) {
  // They are made on first use, and would count as something that came to be meanwhile.
  void [process.stdout, process.stderr];
  process.on('message', ({ id, method, parameters }) => {
    methods[method](...parameters).then(
      (result) => process.send({ id, result }),
      (error) => process.send({ id, error: error.stack }),
    );
  });
  process.once('disconnect', () => process.exit());
}

function countBy(kinds) {
  const counts = {};
  for (const kind of kinds.sort()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function fds() {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
