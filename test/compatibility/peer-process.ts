import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

interface Answer {
  id: number;
  result?: unknown;
  failure?: string;
}

/** How a call ended, as it crossed from another process. */
export interface CallEnd {
  value?: unknown;
  error?: { reason: string; code: string; outcome: string; message: string; data?: unknown };
}

/** A process of one version (see peer.mjs), which is told what to do. */
export class PeerProcess {
  private readonly waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  private commands = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (answer: Answer) => {
      const { resolve, reject } = this.waiting.get(answer.id)!;
      this.waiting.delete(answer.id);
      if (answer.failure === undefined) resolve(answer.result);
      else reject(new Error(answer.failure));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the process ended with ${code ?? signal}`));
    });
  }

  /** @param script `peer.mjs`, or a copy of it beside which another version is installed */
  static async start(script: string): Promise<PeerProcess> {
    const child = fork(script, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const peer = new PeerProcess(child);
    await new Promise((resolve, reject) => peer.waiting.set(0, { resolve, reject }));
    return peer;
  }

  ask<T>(command: string, args: object = {}): Promise<T> {
    const id = ++this.commands;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, command, ...args });
    });
  }

  /** What its handlers noted so far. */
  seen(): Promise<string[]> {
    return this.ask('seen');
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}
