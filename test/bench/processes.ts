import { type ChildProcess, fork, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Owner of every process and folder of a run: what is still there when the run ends, or is interrupted, goes with it. */
export class Processes {
  private readonly running = new Set<ChildProcess>();
  private readonly folders = new Set<string>();

  fork(modulePath: string, parameters: readonly string[]): ChildProcess {
    return this.own(fork(modulePath, parameters, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  }

  spawn(command: string, parameters: readonly string[], options: SpawnOptions): ChildProcess {
    return this.own(spawn(command, parameters, options));
  }

  temporaryFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'rookery-bench-'));
    this.folders.add(folder);
    return folder;
  }

  /** Ends one process: a forked one leaves when its channel closes; by force when it has not gone within `graceMs`. */
  async stop(child: ChildProcess, graceMs = 3_000): Promise<void> {
    if (!this.running.has(child)) return;
    const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
    const exited = once(child, 'exit');
    if (child.connected) child.disconnect();
    else child.kill('SIGTERM');
    await exited;
    clearTimeout(force);
  }

  /** Synchronous, for the way out. */
  killAll(): void {
    for (const child of this.running) child.kill('SIGKILL');
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    this.folders.clear();
  }

  private own(child: ChildProcess): ChildProcess {
    this.running.add(child);
    child.once('exit', () => this.running.delete(child));
    child.once('error', () => this.running.delete(child));
    return child;
  }
}
