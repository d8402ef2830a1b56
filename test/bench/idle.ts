import type { IdleCase } from './cases.js';
import type { Memory } from './memory.js';
import { median } from './median.js';
import { PeerProcess } from './peer-process.js';
import type { RunOptions } from './runner.js';
import { CATALOGUE } from './systems/catalogue.js';

/** The medians of one system's rounds: what one connection costs each end, in bytes. Field names are those of the JSON report. */
export interface IdleFigures {
  readonly case: string;
  readonly system: string;
  readonly serverHeapBytes: number;
  readonly serverRssBytes: number;
  readonly clientHeapBytes: number;
  readonly clientRssBytes: number;
  /** Largest minus smallest round of the server's heap, relative to the median. */
  readonly spread: number;
}

/** Both ends before and after, by connection. */
interface Round {
  readonly server: Memory;
  readonly client: Memory;
}

/** Compiled code, tables and pools that the first connections bring are not the cost of one. */
const WARM_UP_CONNECTIONS = 20;

/** Measures all systems, each round in processes of its own: A B C, A B C, …. */
export async function runIdleCase(
  benchCase: IdleCase,
  systems: readonly string[],
  options: RunOptions,
): Promise<readonly IdleFigures[]> {
  const rounds = new Map<string, Round[]>(systems.map((system) => [system, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const [system, measured] of rounds) {
      try {
        measured.push(await measure(benchCase, system, options));
      } catch (error) {
        options.onFailure(system, error as Error);
        rounds.delete(system);
      }
    }
  }
  return Array.from(rounds, ([system, measured]) => mediansOf(benchCase, system, measured));
}

async function measure(benchCase: IdleCase, system: string, options: RunOptions): Promise<Round> {
  const server = new PeerProcess(options.processes, 'server', system);
  const client = new PeerProcess(options.processes, 'client', system);
  const memories = async () => ({
    server: await server.request('memory', []),
    client: await client.request('memory', []),
  });
  try {
    const brokerName = CATALOGUE[system]!.broker;
    const broker = brokerName && (await options.brokerOf(brokerName)).address;
    // The one call each connection makes is of this kind.
    const context = {
      benchCase: { kind: 'unary', name: benchCase.name, payload: 'small', inFlight: 1 } as const,
      broker,
    };
    const address = await server.request('open', [context]);
    await client.request('hold', [address, context, WARM_UP_CONNECTIONS]);
    const before = await memories();
    await client.request('hold', [address, context, benchCase.connections], 120_000);
    const after = await memories();
    return { server: share(before.server, after.server), client: share(before.client, after.client) };
  } finally {
    await client.stop();
    await server.stop();
  }

  function share(before: Memory, after: Memory): Memory {
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / benchCase.connections,
      rssBytes: (after.rssBytes - before.rssBytes) / benchCase.connections,
    };
  }
}

function mediansOf(benchCase: IdleCase, system: string, rounds: readonly Round[]): IdleFigures {
  const heaps = rounds.map(({ server }) => server.heapBytes);
  const serverHeapBytes = median(heaps);
  return {
    case: benchCase.name,
    system,
    serverHeapBytes,
    serverRssBytes: median(rounds.map(({ server }) => server.rssBytes)),
    clientHeapBytes: median(rounds.map(({ client }) => client.heapBytes)),
    clientRssBytes: median(rounds.map(({ client }) => client.rssBytes)),
    spread: (Math.max(...heaps) - Math.min(...heaps)) / serverHeapBytes,
  };
}
