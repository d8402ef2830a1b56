/**
 * The embedded registry at its size: 10,000 instances and 1,000 watchers, the registry in a process of its own, over real sockets.
 *
 * ```
 * npm run bench:registry                       half a minute; prints a table
 * npm run bench:registry -- --instances 2000 --watchers 100 --seconds 3
 * npm run bench:registry -- --data-dir         the registry keeps its registrations on the disk
 * ```
 *
 * The instances are spread over 100 services and registered by 100 clients, of which each has up to 8 calls in flight. Then each change of an
 * instance is timed until a watcher's listener has it, through the whole client: once with the watchers spread over all services, and once
 * with all of them on one. The watchers are clients with a connection each, in two processes. Times are of the machine's monotonic clock,
 * which all its processes share. With all watchers on one service, what the watchers' own two processes do for 1,000 deliveries is most of the time.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import {
  embeddedRegistry,
  RegistryServer,
  serviceInstance,
  type EmbeddedRegistry,
  type ServiceInstance,
} from 'nestjs-rookery';

const SERVICES = 100;
const WRITERS = 100;
const WRITER_CALLS = 8;
const WATCHER_PROCESSES = 2;
const CHANGES_PER_SECOND = 5;

/** What a watcher process is told, and tells. */
interface WatcherReport {
  readonly deliveries: number;
  readonly latenciesMs: number[];
  readonly watching: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      instances: { type: 'string', default: '10000' },
      watchers: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '8' },
      'data-dir': { type: 'boolean', default: false },
    },
  });
  const [instances, watchers, seconds] = [values.instances, values.watchers, values.seconds].map(Number) as [
    number,
    number,
    number,
  ];
  const dataDir = values['data-dir'] ? mkdtempSync(join(tmpdir(), 'rookery-bench-')) : '';
  const stage = await Stage.open(dataDir);
  try {
    const rows = await stage.measure(instances, watchers, seconds);
    console.log(
      `\n${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, ${dataDir ? 'with' : 'without'} a data folder\n`,
    );
    for (const [name, value] of rows) console.log(`${name.padEnd(64)}${value}`);
  } finally {
    await stage.close();
    if (dataDir) rmSync(dataDir, { recursive: true, force: true });
  }
}

type Row = readonly [name: string, value: string];

class Stage {
  private readonly writers: EmbeddedRegistry[] = [];
  private readonly watcherProcesses: ChildProcess[] = [];

  private constructor(
    private readonly registry: ChildProcess,
    private readonly port: number,
  ) {}

  static async open(dataDir: string): Promise<Stage> {
    const registry = role('registry', dataDir);
    const [port] = (await once(registry, 'message')) as [number];
    return new Stage(registry, port);
  }

  async measure(instances: number, watchers: number, seconds: number): Promise<Row[]> {
    const all = Array.from({ length: instances }, (_, n) => instanceOf(n));
    const emptyKiB = rssKiB(this.registry);
    const [registeredMs, cpuMicros] = await this.registerAll(all);
    const filledKiB = rssKiB(this.registry);
    const spread = await this.watchAndChange(watchers, SERVICES, all, seconds);
    const watchedKiB = rssKiB(this.registry);
    await this.stopWatchers();
    const one = await this.watchAndChange(watchers, 1, all, seconds);
    return [
      [
        `registrations/s (${instances} instances of ${SERVICES} services)`,
        (instances / (registeredMs / 1_000)).toFixed(0),
      ],
      ['  CPU of the registry per registration', `${(cpuMicros / instances).toFixed(0)} µs`],
      ...rowsOf(`${watchers} watchers of ${SERVICES} services`, spread),
      ...rowsOf(`${watchers} watchers of one service of ${instances / SERVICES} instances`, one),
      ['RSS of the registry: empty', `${(emptyKiB / 1024).toFixed(0)} MiB`],
      [`  per instance (${instances})`, `${((filledKiB - emptyKiB) / instances).toFixed(1)} KiB`],
      [`  per watcher with its connection (${watchers})`, `${((watchedKiB - filledKiB) / watchers).toFixed(1)} KiB`],
    ];
  }

  async close(): Promise<void> {
    await this.stopWatchers();
    await Promise.all(this.writers.map((writer) => writer.close()));
    await stop(this.registry);
  }

  /** @returns ms, and µs of the registry's CPU */
  private async registerAll(all: readonly ServiceInstance[]): Promise<[ms: number, cpuMicros: number]> {
    for (let n = 0; n < WRITERS; n++) this.writers.push(embeddedRegistry({ address: `127.0.0.1:${this.port}` }));
    await Promise.all(this.writers.map((writer) => writer.listServices()));
    const cpuBefore = cpuMicrosOf(this.registry);
    const startedAtMs = performance.now();
    let next = 0;
    const work = async (writer: EmbeddedRegistry) => {
      while (next < all.length) await writer.register(all[next++]!);
    };
    await Promise.all(this.writers.flatMap((writer) => Array.from({ length: WRITER_CALLS }, () => work(writer))));
    return [performance.now() - startedAtMs, cpuMicrosOf(this.registry) - cpuBefore];
  }

  private async watchAndChange(watchers: number, services: number, all: readonly ServiceInstance[], seconds: number) {
    const each = Math.ceil(watchers / WATCHER_PROCESSES);
    for (let n = 0; n < WATCHER_PROCESSES; n++)
      this.watcherProcesses.push(role('watchers', String(this.port), String(each), String(services)));
    await Promise.all(this.watcherProcesses.map(async (child) => once(child, 'message')));
    await sleep(1_000);
    const cpuBefore = cpuMicrosOf(this.registry);
    const changes = seconds * CHANGES_PER_SECOND;
    for (let change = 0; change < changes; change++) {
      const n = change % services;
      const at = String(process.hrtime.bigint());
      void this.writers[0]!.register({ ...all[n]!, metadata: { at } });
      await sleep(1_000 / CHANGES_PER_SECOND);
    }
    await sleep(500);
    const cpuMicros = cpuMicrosOf(this.registry) - cpuBefore;
    const reports = await Promise.all(this.watcherProcesses.map(reportOf));
    return { changes, cpuMicros, reports, expected: (changes * watchers) / services };
  }

  private async stopWatchers(): Promise<void> {
    await Promise.all(this.watcherProcesses.splice(0).map(stop));
  }
}

function rowsOf(
  title: string,
  { changes, cpuMicros, reports, expected }: Awaited<ReturnType<Stage['watchAndChange']>>,
): Row[] {
  const latencies = reports.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b);
  const at = (share: number) => `${(latencies[Math.ceil(share * latencies.length) - 1] ?? NaN).toFixed(1)} ms`;
  return [
    [`${title}: change to watcher p50`, at(0.5)],
    ['  p99', at(0.99)],
    ['  the slowest', at(1)],
    [`  heard, of ${expected} in ${changes} changes`, String(latencies.length)],
    ['  CPU of the registry per change', `${(cpuMicros / changes).toFixed(0)} µs`],
  ];
}

function instanceOf(n: number): ServiceInstance {
  const metadata = { zone: `zone-${n % 3}`, build: `2026.11.${n % 28}` };
  return serviceInstance({
    serviceName: `service-${n % SERVICES}`,
    instanceId: `instance-${n}`,
    ip: '10.0.0.1',
    port: 4_000,
    metadata,
  });
}

/** The registry's process. */
async function serveRegistry(dataDir = ''): Promise<void> {
  const server = new RegistryServer({ port: 0, ttl: '1h', dataDir: dataDir || undefined });
  const { port } = await server.listen();
  process.send!(port);
  await once(process, 'disconnect');
  await server.close();
}

/** A process of watchers. */
async function watch(port = '', watchers = '', services = ''): Promise<void> {
  const latenciesMs: number[] = [];
  const clients = Array.from({ length: Number(watchers) }, () => embeddedRegistry({ address: `127.0.0.1:${port}` }));
  await Promise.all(
    clients.map(
      (client, n) =>
        new Promise<void>((resolve) => {
          const service = n % Number(services);
          // The one of the service that is changed.
          const changing = `instance-${service}`;
          let seen: string | undefined;
          client.watchInstances(`service-${service}`, (resolution) => {
            if (resolution.state !== 'found') return;
            const at = resolution.instances.find(({ instanceId }) => instanceId === changing)?.metadata['at'] ?? '';
            if (seen !== undefined && seen !== at) latenciesMs.push(msSince(at));
            seen = at;
            resolve();
          });
        }),
    ),
  );
  process.send!('watching');
  process.on('message', () => {
    const report: WatcherReport = { deliveries: latenciesMs.length, latenciesMs, watching: clients.length };
    process.send!(report);
  });
  await once(process, 'disconnect');
  await Promise.all(clients.map((client) => client.close()));
}

function msSince(at: string): number {
  return Number(process.hrtime.bigint() - BigInt(at)) / 1e6;
}

function role(name: string, ...parameters: string[]): ChildProcess {
  return fork(fileURLToPath(import.meta.url), [name, ...parameters]);
}

async function reportOf(child: ChildProcess): Promise<WatcherReport> {
  const report = once(child, 'message');
  child.send('report');
  return (await report)[0] as WatcherReport;
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}

/** Linux only, as is the rest of what is read below. */
function rssKiB({ pid }: ChildProcess): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** User and system time, at the 10 ms that the kernel counts in. */
function cpuMicrosOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const [name = '', ...parameters] = process.argv.slice(2);
if (name === 'registry') await serveRegistry(...parameters);
else if (name === 'watchers') await watch(...parameters);
else await main();
