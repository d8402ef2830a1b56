import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { onTestFinished } from 'vitest';

import { fromRoot } from '../support/root.js';

/** What a child holds, see ledger.mjs. */
export interface Ledger {
  holds: {
    resources: Record<string, number>;
    timers: number;
    fds: number;
    listeners: number;
    objects: Record<string, number>;
  };
  rssBytes: number;
  heapBytes: number;
}

interface Reply {
  id: number;
  result?: unknown;
  error?: string;
}

/** A child of a test, gone with it. */
export class Child {
  private readonly process: ChildProcess;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private lastId = 0;

  constructor(script: string) {
    this.process = fork(fromRoot('test/leaks', script), {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.process.on('message', ({ id, result, error }: Reply) => {
      const asked = this.waiting.get(id);
      if (error === undefined) asked?.resolve(result as never);
      else asked?.reject(new Error(error));
      this.waiting.delete(id);
    });
    this.process.once('exit', (code, signal) => {
      for (const asked of this.waiting.values()) asked.reject(new Error(`${script} ended with ${signal ?? code}`));
      this.waiting.clear();
    });
    onTestFinished(() => this.kill());
  }

  ask<Result>(method: string, ...parameters: unknown[]): Promise<Result> {
    const id = ++this.lastId;
    return new Promise<Result>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.process.send({ id, method, parameters });
    });
  }

  /** At once. @returns when it is gone */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }
}

/** The child's ledger as soon as it holds what is expected, or what it holds after `withinMs`. */
export async function settled(child: Child, expected: Ledger['holds'], withinMs = 5_000): Promise<Ledger> {
  const end = performance.now() + withinMs;
  for (;;) {
    const ledger = await child.ask<Ledger>('ledger');
    if (JSON.stringify(ledger.holds) === JSON.stringify(expected) || performance.now() > end) return ledger;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function growth(before: Ledger, after: Ledger): { heapMb: number; rssMb: number } {
  const mb = 1024 * 1024;
  return {
    heapMb: (after.heapBytes - before.heapBytes) / mb,
    rssMb: (after.rssBytes - before.rssBytes) / mb,
  };
}
