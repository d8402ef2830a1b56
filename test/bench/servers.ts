import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { Processes } from './processes.js';

export type BrokerName = 'nats-server' | 'redis-server' | 'rookery-registry';

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** A broker process beside client and server, on a free port, with a folder that goes with it. */
export class Broker {
  private constructor(
    readonly address: BrokerAddress,
    private readonly child: ChildProcess,
  ) {}

  /** @throws BrokerMissingError when its program is not installed */
  static async start(name: BrokerName, processes: Processes): Promise<Broker> {
    const kind = KINDS[name];
    const program = kind.program();
    if (!program) throw new BrokerMissingError(name, kind.install);
    for (let attempt = 1; ; attempt++) {
      const address = { host: '127.0.0.1', port: await freePort() };
      const folder = processes.temporaryFolder();
      const child = processes.spawn(program, kind.parameters(address, folder), { cwd: folder, stdio: 'ignore' });
      if (await isListening(address, child)) return new Broker(address, child);
      await processes.stop(child);
      // Another process may have taken the port in between.
      if (attempt === 3) throw new Error(`${program} does not listen on ${address.host}:${address.port}`);
    }
  }

  /** CPU time used so far, user and system, in µs; `undefined` where there is no /proc. */
  cpuMicros(): number | undefined {
    try {
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
      // The second field, the program's name in parentheses, may hold spaces: utime and stime are the 12th and 13th after it.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
    } catch {
      return undefined;
    }
  }
}

export class BrokerMissingError extends Error {
  constructor(name: BrokerName, install: string) {
    super(`${name} is not installed; to have it measured: ${install}`);
  }
}

/** A port nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Linux counts the CPU time of processes in hundredths of a second, whatever the kernel's own tick. */
const MICROS_PER_TICK = 10_000;

interface BrokerKind {
  /** Where it is; `undefined` when it is not installed. */
  program(): string | undefined;
  readonly install: string;
  parameters(address: BrokerAddress, folder: string): string[];
}

const KINDS: Record<BrokerName, BrokerKind> = {
  'nats-server': {
    program: () => findProgram('nats-server'),
    install: 'apt-get install -y nats-server',
    parameters({ host, port }, folder) {
      const configuration = join(folder, 'nats.conf');
      // Its default of 1 MiB is too little for a Buffer of 1 MiB as JSON.
      writeFileSync(configuration, `host: "${host}"\nport: ${port}\nmax_payload: 16MB\n`);
      return ['--config', configuration];
    },
  },
  'redis-server': {
    program: () => findProgram('redis-server'),
    install: 'apt-get install -y redis-server',
    parameters: ({ host, port }, folder) => [
      '--bind',
      host,
      '--port',
      String(port),
      '--dir',
      folder,
      '--save',
      '',
      '--appendonly',
      'no',
    ],
  },
  'rookery-registry': {
    program: () => process.execPath,
    install: 'npm run build',
    parameters: ({ port }) => [REGISTRY_COMMAND, 'registry', '--port', String(port)],
  },
};

const REGISTRY_COMMAND = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** Debian keeps servers in sbin, which users seldom have in their path. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function isListening(address: BrokerAddress, child: ChildProcess): Promise<boolean> {
  const deadlineMs = performance.now() + 5_000;
  while (performance.now() < deadlineMs && child.exitCode === null) {
    if (await accepts(address)) return true;
    await pause(25);
  }
  return false;
}

function accepts({ host, port }: BrokerAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    function done(isAccepted: boolean) {
      socket.destroy();
      resolve(isAccepted);
    }
  });
}
