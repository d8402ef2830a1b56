import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { say } from './screen.js';

const LEASH = new URL('./leash.js', import.meta.url).href;

/** The processes of this demonstration: whatever way it ends, they end with it. */
export class Processes {
  private readonly running = new Map<string, ChildProcess>();
  private readonly dismissed = new Set<ChildProcess>();

  /** @param env what each of them gets besides */
  constructor(readonly env: NodeJS.ProcessEnv) {
    process.once('exit', () => this.killAll());
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.once(signal, () => process.exit(code));
    }
  }

  /** @param module its file, relative to `src`, or its URL */
  start(name: string, module: string | URL, args: readonly string[] = []): ChildProcess {
    const file = fileURLToPath(new URL(module, new URL('../', import.meta.url)));
    const child = fork(file, args, {
      env: { ...process.env, ...this.env, INSTANCE_NAME: name, NO_COLOR: '1' },
      execArgv: ['--import', LEASH],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on('line', (line) => say(name, line));
    this.running.set(name, child);
    child.once('exit', (code, signal) => this.ended(name, child, signal ?? code));
    return child;
  }

  /** @returns when it has ended */
  async end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.running.get(name)!;
    this.dismissed.add(child);
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Each by its own id. Synchronous, for the way out. */
  killAll(): void {
    for (const child of this.running.values()) {
      this.dismissed.add(child);
      child.kill('SIGKILL');
    }
  }

  private ended(name: string, child: ChildProcess, how: number | string | null): void {
    this.running.delete(name);
    if (how === 0 || this.dismissed.has(child)) return;
    say(name, `ended unasked (${how})`);
    process.exit(1);
  }
}
