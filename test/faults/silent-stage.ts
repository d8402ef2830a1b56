import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TestContext } from 'vitest';

import { RookeryClient, staticRegistry } from '../../lib/index.js';
import type { RookeryClientOptions } from '../../lib/microservice/rookery-options.js';
import { faultProxy, type FaultProxy, type FaultProxyOptions } from '../../lib/testing/index.js';
import { fromRoot } from '../support/root.js';

/** Where an instance is reached: itself, or a proxy before it. */
export interface Route {
  readonly instanceId: string;
  readonly port: number;
}

/** One line of a server's journal. */
export interface Execution {
  readonly id: number;
  /** On the clock of `monotonicMs`. */
  readonly atMs: number;
}

/** A clock that all processes of this machine share, in ms. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

/** A process of its own, to be stopped (SIGSTOP) and woken (SIGCONT). */
export class Sleeper {
  constructor(readonly child: ChildProcess) {}

  /** Returns once the kernel has stopped it. */
  async stop(): Promise<void> {
    this.child.kill('SIGSTOP');
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${this.child.pid}/status`, 'utf8')))
      await new Promise((resolve) => setTimeout(resolve, 1));
  }

  wake(): void {
    this.child.kill('SIGCONT');
  }

  /** Sockets it has open, its own way to this process included. */
  get sockets(): number {
    const folder = `/proc/${this.child.pid}/fd`;
    return readdirSync(folder).filter((fd) => linkOf(join(folder, fd)).startsWith('socket:')).length;
  }
}

/** A server process, see silent-server.mjs. */
export class SilentServer extends Sleeper implements Route {
  constructor(
    child: ChildProcess,
    readonly instanceId: string,
    readonly port: number,
    private readonly journal: string,
  ) {
    super(child);
  }

  get executions(): Execution[] {
    const lines = readFileSync(this.journal, { encoding: 'utf8', flag: 'a+' }).split('\n').filter(Boolean);
    return lines.map((line) => {
      const [id, atMs] = line.split(' ').map(Number);
      return { id: id!, atMs: atMs! };
    });
  }
}

/** What one test starts, each closed at its end, the last first. Tests that run at once have one each. */
export function silentStage({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): SilentStage {
  const stage = new SilentStage();
  onTestFinished(() => stage.close());
  return stage;
}

export class SilentStage {
  private readonly folder = mkdtempSync(join(tmpdir(), 'rookery-silent-'));
  private readonly cleanups: (() => unknown)[] = [() => rmSync(this.folder, { recursive: true, force: true })];
  private started = 0;

  async close(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
  }

  async server(): Promise<SilentServer> {
    const journal = join(this.folder, String(this.started++));
    const { child, message } = await this.start('silent-server.mjs', [journal]);
    return new SilentServer(child, message.instanceId, message.port, journal);
  }

  /** A client in a process of its own, see silent-client.mjs. @param pages of the stream it reads; none where it is not said */
  async clientProcess({ instanceId, port }: Route, pages?: number): Promise<Sleeper> {
    const { child } = await this.start('silent-client.mjs', [
      instanceId,
      String(port),
      ...(pages ? [String(pages)] : []),
    ]);
    return new Sleeper(child);
  }

  async proxy(route: Route, options: Partial<FaultProxyOptions> = {}): Promise<ProxiedRoute> {
    const proxy = await faultProxy({ target: { port: route.port }, ...options }).listen();
    this.cleanups.push(() => proxy.close());
    return { proxy, instanceId: route.instanceId, port: proxy.port };
  }

  client(routes: readonly Route[], options: Partial<RookeryClientOptions> = {}): RookeryClient {
    const orders = routes.map(({ instanceId, port }) => ({ ip: '127.0.0.1', port, instanceId }));
    const client = new RookeryClient({
      service: 'orders',
      registry: staticRegistry({ orders }),
      snapshotDir: false,
      ...options,
    });
    this.cleanups.push(() => client.close());
    return client;
  }

  private async start(script: string, args: string[]): Promise<{ child: ChildProcess; message: Route }> {
    const child = fork(fromRoot('test/faults', script), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.cleanups.push(() => child.kill('SIGKILL'));
    const message = await new Promise<Route>((resolve, reject) => {
      child.once('message', resolve as (message: unknown) => void);
      child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it was ready`)));
    });
    return { child, message };
  }
}

export interface ProxiedRoute extends Route {
  readonly proxy: FaultProxy;
}

/** Connections that a client has to an instance. */
export function connectionsTo(client: RookeryClient, { instanceId }: Route): number {
  return client.unwrap().endpoints.find((endpoint) => endpoint.instanceId === instanceId)?.pool.size ?? 0;
}

/** Resolves with how long it took until it held, in ms. */
export async function timeUntil(holds: () => boolean, withinMs: number): Promise<number> {
  const startedAt = performance.now();
  while (!holds()) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - startedAt;
}

/** A descriptor may go between its listing and the look at it. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
