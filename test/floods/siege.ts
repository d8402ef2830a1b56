import { Flooded, type FloodedSetup, type ServerReport } from './flooded.js';
import { Flooder, type FloodPlan, type FloodReport } from './flooder.js';
import { Honest, type Watch } from './honest.js';
import { calmMachine, othersSince } from './machine.js';
import { atScale } from './scale.js';
import { tabulate } from './table.js';

/** One flood against one server. */
export interface SiegeSetup {
  /** In the table. */
  name: string;
  server?: FloodedSetup;
  plan: Omit<FloodPlan, 'port'>;
}

/** What became of everybody. */
export interface Siege {
  readonly name: string;
  readonly flood: FloodReport;
  readonly before: ServerReport;
  readonly after: ServerReport;
  /** Honest clients before, and during the flood. */
  readonly calm: Watch;
  readonly during: Watch;
  /** Honest clients of a server beside it that nobody flooded, at the same time: what the machine did to everybody. */
  readonly beside: Watch;
  /** CPU of the server beyond what honest calls cost it before, in ms. */
  readonly serverCpuMs: number;
  /** By which the server's memory grew at most, in bytes. */
  readonly rssGrowth: number;
  /** Cores that were kept busy meanwhile by what has no part in this. */
  readonly othersCores: number;
  /** Runs before this one that do not count, since others kept the machine busy. */
  readonly voided: number;
  /** Whether others did so in this last one, too. */
  readonly isVoid: boolean;
}

/** Before the flood, and the least time of it, in ms. */
const CALM_MS = atScale(1_500, 800);
const FLOODED_MS = atScale(2_500, 1_500);

/**
 * Server, flooder and honest clients are three processes on as few as two cores: below this, what an honest call waits is the scheduler's
 * doing as much as the server's.
 */
export const P99_FLOOR_MS = 25;

/** With more of the machine taken by others, a run in which honest clients were slowed down is void. */
const BUSY_CORES = 0.25;
const RUNS = 3;
/** How long a run that comes after a void one waits for the machine to be calm, in ms. */
const PATIENCE_MS = 15_000;

/** The longest an honest call may take, of a hundred: twice what it took before, or takes elsewhere, or what this machine can tell. */
export function p99BoundMs({ calm, beside }: Pick<Siege, 'calm' | 'beside'>): number {
  return Math.max(P99_FLOOR_MS, 2 * calm.calls.p99Ms, 2 * beside.calls.p99Ms);
}

/**
 * Runs a flood against a server of its own, among honest clients; again where others kept the machine busy, or where honest calls were slow and
 * nothing else was wrong: a server that is slow under a flood is slow in every run, a moment of the machine's is not.
 */
export async function besiege(setup: SiegeSetup): Promise<Siege> {
  for (let voided = 0; ; voided++) {
    const outcome = await besiegeOnce(setup);
    const siege = { ...outcome, voided, isVoid: isVoid(outcome) };
    if (voided === RUNS - 1 || !(siege.isVoid || isSlow(outcome))) return tabulate(siege);
    await calmMachine(BUSY_CORES, PATIENCE_MS);
  }
}

function isVoid(outcome: Outcome): boolean {
  const { during, othersCores } = outcome;
  const { calls, newcomers } = during;
  const wereHarmed = isSlow(outcome) || calls.failed.length + newcomers.failed.length > 0;
  return wereHarmed && othersCores > BUSY_CORES;
}

function isSlow(outcome: Outcome): boolean {
  return outcome.during.calls.p99Ms > p99BoundMs(outcome);
}

type Outcome = Omit<Siege, 'voided' | 'isVoid'>;

async function besiegeOnce({ name, server: setup, plan }: SiegeSetup): Promise<Outcome> {
  const [server, twin, flooder] = await Promise.all([Flooded.start(setup), Flooded.start(setup), Flooder.start()]);
  const honest = new Honest(server.port, setup?.options?.auth);
  const elsewhere = new Honest(twin.port, setup?.options?.auth);
  try {
    await honest.warmUp();
    await elsewhere.warmUp();
    const start = await server.begin();
    const [calm] = await Promise.all([honest.watch(CALM_MS), elsewhere.watch(CALM_MS)]);
    const before = await server.begin();
    const calmRate = (before.cpuMs - start.cpuMs) / (before.atMs - start.atMs);

    const twinBefore = await twin.begin();
    const others = othersSince();
    const flooding = flooder.flood({ ...plan, port: server.port });
    const watched = [honest.watch(FLOODED_MS, flooding), elsewhere.watch(FLOODED_MS, flooding)];
    const [during, beside] = (await Promise.all(watched)) as [Watch, Watch];
    const flood = await flooding;
    const [after, twinAfter] = await Promise.all([server.report(), twin.report()]);
    const tookMs = after.atMs - before.atMs;
    const cpuMs = after.cpuMs - before.cpuMs;
    return {
      name,
      ...{ flood, before, after, calm, during, beside },
      serverCpuMs: Math.max(0, cpuMs - calmRate * tookMs),
      rssGrowth: after.peakRss - before.rss,
      othersCores: others(cpuMs + twinAfter.cpuMs - twinBefore.cpuMs + flood.cpuMs) / tookMs,
    };
  } finally {
    await Promise.all([honest.close(), elsewhere.close(), flooder.close(), server.close(), twin.close()]);
  }
}
