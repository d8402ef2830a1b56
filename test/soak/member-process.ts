import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Reply } from './answering.js';
import type { Sample } from './sample.js';

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

/** One process of a run, as its parent sees it. */
export class MemberProcess {
  readonly child: ChildProcess;
  /** Whether it was asked to end, or killed; another end is a failure of the run. */
  isExpectedToEnd = false;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(
    readonly name: string,
    script: string,
    onUnexpectedEnd: (name: string, how: string) => void,
  ) {
    this.child = fork(fileURLToPath(new URL(script, import.meta.url)), [], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.on('message', (reply: Reply) => this.settle(reply));
    // A message to a process that has just been killed.
    this.child.on('error', () => undefined);
    this.child.once('exit', (code, signal) => {
      for (const waiting of this.waiting.values()) waiting.reject(new Error(`${name} has ended`));
      if (!this.isExpectedToEnd) onUnexpectedEnd(name, String(signal ?? code));
    });
  }

  /** Rejects with the process's error, when it ends, and after `timeoutMs`. */
  async ask<Result>(method: string, parameters: readonly unknown[] = [], timeoutMs = 20_000): Promise<Result> {
    const id = ++this.lastId;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Result>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        timer = setTimeout(
          () => reject(new Error(`${this.name}: no answer to ${method} within ${timeoutMs} ms`)),
          timeoutMs,
        );
        this.child.send({ id, method, parameters }, (error) => error && reject(error));
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(id);
    }
  }

  /** `undefined` while it cannot answer, because it is frozen or on its way out. */
  async sample(): Promise<Sample | undefined> {
    if (!this.isRunning) return undefined;
    return this.ask<Sample>('sample', [], 5_000).catch(() => undefined);
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(name);
  }

  /** At once, without a goodbye. */
  async kill(): Promise<void> {
    this.isExpectedToEnd = true;
    if (!this.isRunning) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  /** @returns its exit code, `null` where it had to be killed after `withinMs` */
  async terminate(withinMs: number): Promise<number | null> {
    this.isExpectedToEnd = true;
    if (!this.isRunning) return this.child.exitCode;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), withinMs);
    await ended;
    clearTimeout(force);
    return this.child.exitCode;
  }

  private settle(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    if ('error' in reply) waiting?.reject(new Error(`${this.name}: ${reply.error}`));
    else waiting?.resolve(reply.result as never);
  }
}
