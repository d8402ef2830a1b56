import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface RegistryProcessOptions {
  /** 0 picks a free one. @default 0 */
  port?: number;
  /** @default none: in memory */
  dataDir?: string;
  /** @default '15s' */
  ttl?: string;
  /** At which size its log is compacted; for tests. */
  maxLogBytes?: number;
}

/** A registry in a process of its own. `script` is the bundle of registry-child.ts. */
export class RegistryProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(script: string, options: RegistryProcessOptions = {}): Promise<RegistryProcess> {
    const { port = 0, dataDir = '', ttl = '15s', maxLogBytes = 0 } = options;
    const child = fork(script, [port, dataDir, ttl, maxLogBytes].map(String));
    const bound = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve(message as number));
      child.once('exit', (code) => reject(new Error(`the registry ended with ${code} before it listened`)));
    });
    return new RegistryProcess(child, bound);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}
