import type { CallCase, PickCase } from './cases.js';
import type { LoopFigures } from './closed-loop.js';
import { median } from './median.js';
import { PeerProcess } from './peer-process.js';
import type { Processes } from './processes.js';
import type { Broker, BrokerName } from './servers.js';
import { CATALOGUE } from './systems/catalogue.js';

/** The medians of one system's rounds in one case. Field names are those of the JSON report. */
export interface Figures {
  readonly case: string;
  readonly system: string;
  readonly callsPerSecond: number;
  /** Client and server process together. */
  readonly cpuMicrosPerCall: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the system's broker or registry, where it has one and the machine tells. */
  readonly brokerCpuMicrosPerCall?: number;
  /** In a case of streams, whose calls are whole streams. */
  readonly valuesPerSecond?: number;
  /** Fastest minus slowest round, relative to the median: how much the machine's other work disturbed. */
  readonly spread: number;
}

export interface RunOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly processes: Processes;
  /** Started at the first call that needs it, shared by the cases. */
  brokerOf(name: BrokerName): Promise<Broker>;
  /** A system that broke; the others go on without it. */
  onFailure(system: string, error: Error): void;
}

/** Code compiled while it is measured would be measured, too. */
const WARM_UP_SECONDS = 1.5;

/**
 * Measures all systems in one case. They are up together and take turns, A B C, A B C, …: what disturbs the machine for a while
 * disturbs a round of each, and the median round is reported.
 */
export async function runCase(
  benchCase: CallCase | PickCase,
  systems: readonly string[],
  options: RunOptions,
): Promise<readonly Figures[]> {
  const contenders = new Map<string, Contender>();
  const rounds = new Map<string, RoundFigures[]>();

  const forEach = async (work: (system: string, contender: Contender) => Promise<void>) => {
    for (const [system, contender] of contenders) {
      await work(system, contender).catch(async (error: Error) => {
        options.onFailure(system, error);
        contenders.delete(system);
        rounds.delete(system);
        await contender.stop();
      });
    }
  };

  try {
    for (const system of systems) contenders.set(system, createContender(benchCase, system, options));
    await forEach((_, contender) => contender.open());
    await forEach(async (_, contender) => void (await contender.run(WARM_UP_SECONDS)));
    for (let round = 0; round < options.rounds; round++) {
      await forEach(async (system, contender) => {
        rounds.set(system, [...(rounds.get(system) ?? []), await contender.run(options.seconds)]);
      });
    }
  } finally {
    await Promise.all(Array.from(contenders.values(), (contender) => contender.stop()));
  }
  return Array.from(rounds, ([system, measured]) => mediansOf(benchCase, system, measured));
}

/** `cpuMicros` is that of all measured processes. */
interface RoundFigures extends LoopFigures {
  readonly brokerCpuMicros?: number | undefined;
}

interface Contender {
  open(): Promise<void>;
  run(seconds: number): Promise<RoundFigures>;
  stop(): Promise<void>;
}

function createContender(benchCase: CallCase | PickCase, system: string, options: RunOptions): Contender {
  return benchCase.kind === 'pick'
    ? new PickContender(benchCase, system, options)
    : new CallContender(benchCase, system, options);
}

/** A server process, a client process, and the broker between them where the system has one. */
class CallContender implements Contender {
  private readonly server: PeerProcess<'server'>;
  private readonly client: PeerProcess<'client'>;
  private broker: Broker | undefined;

  constructor(
    private readonly benchCase: CallCase,
    private readonly system: string,
    private readonly options: RunOptions,
  ) {
    this.server = new PeerProcess(options.processes, 'server', system);
    this.client = new PeerProcess(options.processes, 'client', system);
  }

  async open(): Promise<void> {
    const brokerName = CATALOGUE[this.system]!.broker;
    this.broker = brokerName && (await this.options.brokerOf(brokerName));
    const context = { benchCase: this.benchCase, broker: this.broker?.address };
    const address = await this.server.request('open', [context]);
    await this.client.request('open', [address, context]);
  }

  async run(seconds: number): Promise<RoundFigures> {
    const serverMicros = await this.server.request('cpuMicros', []);
    const brokerMicros = this.broker?.cpuMicros();
    const figures = await this.client.request('run', [seconds], runTimeoutMs(seconds));
    const brokerMicrosAfter = this.broker?.cpuMicros();
    const serverMicrosAfter = await this.server.request('cpuMicros', []);
    return {
      ...figures,
      cpuMicros: figures.cpuMicros + serverMicrosAfter - serverMicros,
      brokerCpuMicros:
        brokerMicros !== undefined && brokerMicrosAfter !== undefined ? brokerMicrosAfter - brokerMicros : undefined,
    };
  }

  async stop(): Promise<void> {
    await this.client.stop();
    await this.server.stop();
  }
}

class PickContender implements Contender {
  private readonly picker: PeerProcess<'picker'>;

  constructor(
    private readonly benchCase: PickCase,
    balancer: string,
    options: RunOptions,
  ) {
    this.picker = new PeerProcess(options.processes, 'picker', balancer);
  }

  open(): Promise<void> {
    return this.picker.request('open', [this.benchCase]);
  }

  run(seconds: number): Promise<RoundFigures> {
    return this.picker.request('run', [seconds], runTimeoutMs(seconds));
  }

  stop(): Promise<void> {
    return this.picker.stop();
  }
}

/** The calls under way at the end of a round may take their time. */
function runTimeoutMs(seconds: number): number {
  return seconds * 1_000 + 60_000;
}

function mediansOf(benchCase: CallCase | PickCase, system: string, rounds: readonly RoundFigures[]): Figures {
  const medianOf = (figure: (round: RoundFigures) => number) => median(rounds.map(figure));
  const rates = rounds.map(({ calls, seconds }) => calls / seconds);
  const callsPerSecond = median(rates);
  return {
    case: benchCase.name,
    system,
    callsPerSecond,
    cpuMicrosPerCall: medianOf(({ cpuMicros, calls }) => cpuMicros / calls),
    p50Ms: medianOf(({ p50Ms }) => p50Ms),
    p99Ms: medianOf(({ p99Ms }) => p99Ms),
    ...(rounds.every(({ brokerCpuMicros }) => brokerCpuMicros !== undefined) && {
      brokerCpuMicrosPerCall: medianOf(({ brokerCpuMicros, calls }) => brokerCpuMicros! / calls),
    }),
    ...(benchCase.kind === 'stream' && { valuesPerSecond: callsPerSecond * benchCase.values }),
    spread: (Math.max(...rates) - Math.min(...rates)) / callsPerSecond,
  };
}
