import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { type FaultProxy, faultProxy } from 'nestjs-rookery/testing';

import { MemberProcess } from './member-process.js';
import type { Sample } from './sample.js';
import type { Tally } from './tally.js';

/** The processes of a run: one registry, three servers, two clients, and who is started to be killed. */
export class Colony {
  readonly registry: MemberProcess;
  /** Lasts for the run; its growth is measured. Callers reach it through the proxy. */
  steady!: MemberProcess;
  /** In this process, whose growth is not measured. */
  proxy!: FaultProxy;
  /** Killed, drained and replaced. */
  readonly mortals: MemberProcess[] = [];
  readonly clients: MemberProcess[] = [];
  /** Ends nobody asked for. */
  readonly unexpectedEnds: string[] = [];
  private readonly all: MemberProcess[] = [];
  private address = '';
  private started = 0;

  constructor(private readonly rng: () => number) {
    this.registry = this.spawn('registry', 'registry.js');
  }

  /** Those whose growth is measured: they are disturbed in every way, and never replaced. */
  get lasting(): readonly MemberProcess[] {
    return [this.registry, this.steady, ...this.clients];
  }

  async open(rate: number): Promise<void> {
    this.address = `127.0.0.1:${await this.registry.ask<number>('open')}`;
    const port = await freePort();
    this.proxy = await faultProxy({ target: { port } }).listen();
    this.steady = await this.server('server', { port, advertise: `127.0.0.1:${this.proxy.port}` });
    for (let number = 1; number <= 2; number++) this.mortals.push(await this.server(`mortal ${number}`));
    for (let number = 1; number <= 2; number++) this.clients.push(await this.client(`client ${number}`, rate / 2));
  }

  async server(name: string, proxied?: { port: number; advertise: string }): Promise<MemberProcess> {
    const server = this.spawn(name, 'server.js');
    await server.ask('open', [this.address, proxied]);
    return server;
  }

  async client(name: string, rate: number): Promise<MemberProcess> {
    const client = this.spawn(name, 'client.js');
    await client.ask('open', [this.address, rate, Math.floor(this.rng() * 2 ** 31)]);
    return client;
  }

  /** Takes the place of a mortal that is gone, or going. */
  async replace(mortal: MemberProcess): Promise<void> {
    const successor = await this.server(`mortal ${this.mortals.length + ++this.started}`);
    this.mortals[this.mortals.indexOf(mortal)] = successor;
  }

  async startLoad(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.ask('start')));
  }

  async pauseLoad(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.ask('pause', [20_000], 30_000)));
  }

  tallies(): Promise<Tally[]> {
    return Promise.all(this.clients.map((client) => client.ask<Tally>('tally')));
  }

  async samples(): Promise<Map<string, Sample>> {
    const samples = new Map<string, Sample>();
    await Promise.all(
      this.all
        .filter(({ isRunning }) => isRunning)
        .map(async (member) => {
          const sample = await member.sample();
          if (sample) samples.set(member.name, sample);
        }),
    );
    return samples;
  }

  /** Synchronous, for the way out: only what this run has started. */
  killAll(): void {
    for (const member of this.all) {
      member.isExpectedToEnd = true;
      if (member.isRunning) member.child.kill('SIGKILL');
    }
  }

  private spawn(name: string, script: string): MemberProcess {
    const member = new MemberProcess(name, script, (who, how) => this.unexpectedEnds.push(`${who} ended with ${how}`));
    this.all.push(member);
    member.child.once('exit', () => this.all.splice(this.all.indexOf(member), 1));
    return member;
  }
}

/** A port nobody listened on a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
