import { fork, type ChildProcess } from 'node:child_process';

import { fromRoot } from '../support/root.js';

/** A process of these tests, which answers what it is asked; ended with the test that started it. */
export class Child {
  private nextId = 1;
  private readonly waiting = new Map<number, { resolve(answer: any): void; reject(error: Error): void }>();
  private exit: Error | undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {
    child.on('message', ({ id, ...answer }: { id: number }) => {
      this.waiting.get(id)?.resolve(answer);
      this.waiting.delete(id);
    });
    child.once('exit', (code, signal) => {
      this.exit = new Error(`${this.name} ended with ${code ?? signal}`);
      for (const { reject } of this.waiting.values()) reject(this.exit);
      this.waiting.clear();
    });
  }

  /** Starts a script of this folder. @returns it, and the first thing it says */
  static async start(
    script: string,
    args: string[] = [],
    execArgv: string[] = [],
  ): Promise<{ child: Child; greeting: unknown }> {
    const process = fork(fromRoot('test/floods', script), args, {
      execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const greeting = await new Promise((resolve, reject) => {
      process.once('message', resolve);
      process.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it was ready`)));
    });
    return { child: new Child(process, script), greeting };
  }

  get isAlive(): boolean {
    return this.exit === undefined;
  }

  ask<Answer>(question: object): Promise<Answer> {
    if (this.exit) return Promise.reject(this.exit);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, ...question });
    });
  }

  /** Resolves when it is gone. */
  async close(): Promise<void> {
    if (this.exit) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}
