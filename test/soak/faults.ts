import { setTimeout as pause } from 'node:timers/promises';

import type { FaultProxy, Toxics } from 'nestjs-rookery/testing';

import type { Colony } from './colony.js';
import type { MemberProcess } from './member-process.js';

type Rng = () => number;

export interface Fault {
  readonly name: string;
  /** Ends when its consequences may be left to the colony; within 20 s. @throws Error where something went otherwise than it must */
  strike(colony: Colony, rng: Rng): Promise<void>;
}

const FREEZE_MS = 8_000;

/** One of them strikes every so often, drawn by seed. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'server killed',
    async strike(colony, rng) {
      const victim = oneOf(colony.mortals, rng);
      await victim.kill();
      await colony.replace(victim);
    },
  },
  {
    name: 'server frozen',
    strike: (colony, rng) => freeze(oneOf([colony.steady, ...colony.mortals], rng)),
  },
  {
    name: 'server drained',
    async strike(colony, rng) {
      const leaver = oneOf(colony.mortals, rng);
      await colony.replace(leaver);
      const code = await leaver.terminate(15_000);
      if (code !== 0) throw new Error(`${leaver.name} drained and ended with ${code ?? 'force'}`);
    },
  },
  { name: 'registry restarted', strike: (colony) => colony.registry.ask('restart', [2_000]) },
  { name: 'registry frozen', strike: (colony) => freeze(colony.registry) },
  {
    name: 'client killed in the middle of 100 streams',
    async strike(colony) {
      const client = await colony.client('doomed client', 1);
      await client.ask('openEndless', [50]);
      await pause(1_000);
      await client.kill();
    },
  },
  {
    name: 'readers stopped for 12 s',
    strike: async (colony) =>
      void (await Promise.all(colony.clients.map((client) => client.ask('readSlowly', [12_000])))),
  },
  { name: 'connections reset', strike: async ({ proxy }) => proxy.reset() },
  {
    name: 'a network that loses everything for 8 s',
    strike: ({ proxy }) => during(proxy, { flow: 'black-hole' }, 8_000),
  },
  {
    name: 'a network that delays by 100 to 300 ms for 10 s',
    strike: ({ proxy }) => during(proxy, { latencyMs: 200, jitterMs: 100 }, 10_000),
  },
  {
    name: 'a network that delivers 16 bytes at a time for 5 s',
    strike: ({ proxy }) => during(proxy, { sliceBytes: 16 }, 5_000),
  },
];

async function during(proxy: FaultProxy, toxics: Partial<Toxics>, ms: number): Promise<void> {
  proxy.set(toxics);
  await pause(ms);
  proxy.heal();
}

async function freeze(member: MemberProcess): Promise<void> {
  member.signal('SIGSTOP');
  await pause(FREEZE_MS);
  member.signal('SIGCONT');
}

function oneOf<T>(choices: readonly T[], rng: Rng): T {
  return choices[Math.floor(rng() * choices.length)]!;
}
