import { describe, expect, it } from 'vitest';

import { Child, growth, settled, type Ledger } from './child.js';

const CLIENTS = 10_000;
const WAVE = 250;
/** Waves whose whole process is killed. */
const KILLED_WAVES = 4;

type Times = [number, string][];

interface Target {
  port: number;
  instanceId: string;
}

describe('clients that go in the middle of a stream', () => {
  it(`leave a server exactly as it was, ${CLIENTS} of them, however they go, and each handler hears of it at once`, async () => {
    const seed = Number(process.env['ROOKERY_SEED'] ?? Date.now() % 2 ** 31);
    console.log(`clients gone: ROOKERY_SEED=${seed}`);
    const server = new Child('left-server.mjs');
    const target = await server.ask<Target>('open', {});
    const clients = new Child('leaving-clients.mjs');
    const wave = (index: number) => ({ target, from: index * WAVE, count: WAVE, seed: seed + index });
    const waves = CLIENTS / WAVE;

    // Compiled code, and tables as large as a wave makes them, are not a leak.
    for (const warm of [-3, -2, -1]) await clients.ask('comeAndGo', wave(warm));
    await takenAborts(server, WAVE * 3);
    const before = await restingLedger(server);
    const none = { ServerConnection: 0, IncomingCall: 0, ReplyStream: 0, AbortSignal: 0 };
    expect(before.holds.objects).toMatchObject(none);

    const latenciesMs: number[] = [];
    for (let index = 0; index < waves - KILLED_WAVES; index++) {
      const left = await clients.ask<Times>('comeAndGo', wave(index));
      latenciesMs.push(...latencies(left, await takenAborts(server, WAVE)));
    }
    for (let index = waves - KILLED_WAVES; index < waves; index++) {
      const doomed = new Child('leaving-clients.mjs');
      await doomed.ask('comeAndStay', wave(index));
      const killedAt = process.hrtime.bigint().toString();
      await doomed.kill();
      const left = Array.from({ length: WAVE }, (_, number): [number, string] => [index * WAVE + number, killedAt]);
      latenciesMs.push(...latencies(left, await takenAborts(server, WAVE)));
    }

    const after = await settled(server, before.holds);
    const { heapMb, rssMb } = growth(before, after);
    latenciesMs.sort((a, b) => a - b);
    const at = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)]!;
    console.log(
      `from going to the handler's signal: median ${at(0.5).toFixed(1)} ms, 99 % ${at(0.99).toFixed(1)} ms, slowest ${at(1).toFixed(1)} ms; ` +
        `heap ${signed(heapMb)} MB, RSS ${signed(rssMb)} MB`,
    );

    expect(after.holds).toEqual(before.holds);
    expect(await server.ask('tables')).toEqual({ connections: 0, inFlight: 0, deadlines: 0 });
    const { started, ended } = await server.ask<Record<'started' | 'ended', Record<string, number>>>('handlers');
    expect(ended, 'finally blocks and teardowns that ran').toEqual(started);
    expect(Object.values(started).reduce((sum, count) => sum + count, 0)).toBe(CLIENTS + 3 * WAVE);
    expect(latenciesMs).toHaveLength(CLIENTS);
    // A machine that does other work as well may sleep for a while; a tenth of a second is what a handler may count on.
    expect(at(0.9)).toBeLessThan(100);
    expect(at(1)).toBeLessThan(1_000);
    expect(heapMb).toBeLessThan(5);
  }, 120_000);
});

/** The aborts a server has heard since it was last asked, once there are as many as expected. */
async function takenAborts(server: Child, count: number): Promise<Times> {
  const aborts: Times = [];
  for (const end = performance.now() + 5_000; aborts.length < count && performance.now() < end;) {
    aborts.push(...(await server.ask<Times>('takeAborts')));
    if (aborts.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return aborts;
}

function latencies(left: Times, aborted: Times): number[] {
  const leftAt = new Map(left);
  return aborted.map(([number, at]) => Number(BigInt(at) - BigInt(leftAt.get(number)!)) / 1e6);
}

/** Two in a row that are the same. */
async function restingLedger(server: Child): Promise<Ledger> {
  const first = await server.ask<Ledger>('ledger');
  return settled(server, first.holds);
}

function signed(mb: number): string {
  return `${mb < 0 ? '−' : '+'}${Math.abs(mb).toFixed(1)}`;
}
