#!/usr/bin/env node
import { rookery } from './rookery.js';

void rookery(process.argv.slice(2), {
  env: process.env,
  print: (line) => console.log(line),
  complain: (line) => console.error(line),
  untilStopped,
}).then((code) => {
  process.exitCode = code;
});

/** The first signal ends in order, a second one at once. */
function untilStopped(): Promise<void> {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  return new Promise((resolve) => {
    const stop = () => {
      for (const signal of signals) process.off(signal, stop);
      resolve();
    };
    for (const signal of signals) process.on(signal, stop);
  });
}
