import type { Balancer, BalancerFactory, CallSample, PickRequest } from '../../dist/balancing/balancer.js';
import type { Endpoint } from '../../dist/balancing/endpoint.js';
import { builtModule } from './built-library.js';
import type { PickCase } from './cases.js';
import { cpuMicrosSince, LatencySamples, type LoopFigures } from './closed-loop.js';
import type { PickerMethods } from './peer-protocol.js';

/** The balancers that are measured: the name of each module in `lib/balancing`, and of the factory it exports. */
export const BALANCERS: Readonly<Record<string, string>> = {
  random: 'random',
  'round-robin': 'roundRobin',
  'weighted-round-robin': 'weightedRoundRobin',
  'least-active': 'leastActive',
  'p2c-ewma': 'p2cEwma',
  'consistent-hash': 'consistentHash',
};

/** Picks timed at once: the clock costs as much as a pick. */
const BATCH = 1_000;
/** Calls under way, so that balancers by load have loads to compare. */
const IN_FLIGHT = 64;
/** Keys of a hashing balancer; the others do not look. */
const ROUTING_KEYS = 4_096;

/** Picks in this one process, without sockets: what a call pays for its choice of endpoint. */
export class PickerPeer implements PickerMethods {
  private pickOnce!: () => void;

  constructor(private readonly balancerName: string) {}

  async open({ endpoints }: PickCase): Promise<void> {
    const balancer = await createBalancer(this.balancerName);
    balancer.update(await createEndpoints(endpoints));
    this.pickOnce = picker(balancer);
  }

  async run(seconds: number): Promise<LoopFigures> {
    const batches = new LatencySamples();
    const cpuBefore = process.cpuUsage();
    const startedAtMs = performance.now();
    let calls = 0;
    let batchEndedAtMs = startedAtMs;
    while (batchEndedAtMs < startedAtMs + seconds * 1_000) {
      const batchStartedAtMs = batchEndedAtMs;
      for (let index = 0; index < BATCH; index++) this.pickOnce();
      batchEndedAtMs = performance.now();
      batches.add((batchEndedAtMs - batchStartedAtMs) / BATCH);
      calls += BATCH;
    }
    return {
      calls,
      seconds: (batchEndedAtMs - startedAtMs) / 1_000,
      cpuMicros: cpuMicrosSince(cpuBefore),
      p50Ms: batches.percentile(0.5),
      p99Ms: batches.percentile(0.99),
    };
  }

  async close(): Promise<void> {}
}

/** One pick, and the end of the call that has been under way longest, with the bookkeeping a client does for both. */
function picker(balancer: Balancer): () => void {
  const requests: readonly PickRequest[] = Array.from({ length: ROUTING_KEYS }, (_, index) => ({
    routingKey: `customer-${index}`,
  }));
  const underWay = new Array<Endpoint | undefined>(IN_FLIGHT).fill(undefined);
  let picks = 0;
  return function pickOnce() {
    const slot = picks % IN_FLIGHT;
    nowMs = picks * MS_BETWEEN_PICKS;
    const ended = underWay[slot];
    if (ended) end(balancer, ended, 1 + (picks % 7) / 10);
    const picked = balancer.pick(requests[picks % ROUTING_KEYS]!, nowMs);
    if (!picked) throw new Error('the balancer picked nothing');
    picked.inFlight++;
    picked.pickedAtMs = nowMs;
    underWay[slot] = picked;
    picks++;
  };
}

function end(balancer: Balancer, endpoint: Endpoint, latencyMs: number): void {
  endpoint.inFlight--;
  endpoint.latency.add(latencyMs, nowMs);
  const sample: CallSample = { result: 'success', latencyMs, nowMs };
  balancer.observe?.(endpoint, sample);
}

/** Time advances with the picks, as under 100,000 calls a second: reading the real clock would be half the cost. */
let nowMs = 0;
const MS_BETWEEN_PICKS = 0.01;

async function createBalancer(name: string): Promise<Balancer> {
  const factoryName = BALANCERS[name]!;
  const exported = await builtModule<Record<string, unknown>>(`balancing/${name}.js`);
  const factory = exported[factoryName] as (() => BalancerFactory) | undefined;
  if (!factory) throw new Error(`balancing/${name}.js exports no ${factoryName}`);
  const clock = { now: () => nowMs, after: () => ({ cancel() {} }) };
  return factory()({ serviceName: 'bench', clock, rng: Math.random, callerId: 'bench-client' });
}

async function createEndpoints(count: number): Promise<Endpoint[]> {
  const [endpoint, instance] = await Promise.all([
    builtModule<typeof import('../../dist/balancing/endpoint.js')>('balancing/endpoint.js'),
    builtModule<typeof import('../../dist/core/instance.js')>('core/instance.js'),
  ]);
  return Array.from({ length: count }, (_, index) => {
    const ip = `10.0.${index >> 8}.${index & 255}`;
    return new endpoint.Endpoint(instance.serviceInstance({ serviceName: 'bench', ip, port: 4000 }), 0);
  });
}
