import type { RookeryServerOptions } from '../../lib/index.js';
import { Child } from './child.js';

export interface FloodedSetup {
  /** As far as they can be said in JSON. */
  options?: Pick<RookeryServerOptions, 'auth' | 'limits'>;
  /** Of the stream `orders.dump`. */
  chunks?: number;
  chunkBytes?: number;
  /** Limit of the process's heap. */
  heapMb?: number;
}

/** What a flooded server says of itself. Peaks count from `begin`. */
export interface ServerReport {
  rss: number;
  peakRss: number;
  heapUsed: number;
  external: number;
  cpuMs: number;
  /** Wall clock. */
  atMs: number;
  connections: number;
  mostConnections: number;
  /** Calls whose handlers have not ended, as the server counts. */
  inFlight: number;
  /** Handlers as they count themselves. */
  running: number;
  mostRunning: number;
  run: number;
  /** How late its event loop was, in ms; 5 of them are the clock it is measured by. */
  loopP99Ms: number;
  loopMaxMs: number;
  partings: Parting[];
}

/** A connection that ended since `begin`. */
export interface Parting {
  atMs: number;
  address: string;
  reason?: string;
  message?: string;
}

/** A process that serves `orders` (see flooded-orders.mjs). */
export class Flooded {
  private constructor(
    private readonly child: Child,
    readonly port: number,
  ) {}

  static async start({
    options = {},
    chunks = 1_600,
    chunkBytes = 64 * 1024,
    heapMb,
  }: FloodedSetup = {}): Promise<Flooded> {
    const heap = heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`];
    const { child, greeting } = await Child.start(
      'flooded-orders.mjs',
      [JSON.stringify({ options, chunks, chunkBytes })],
      ['--expose-gc', ...heap],
    );
    return new Flooded(child, (greeting as { port: number }).port);
  }

  get isAlive(): boolean {
    return this.child.isAlive;
  }

  /** Collects garbage and forgets the peaks so far. */
  begin(): Promise<ServerReport> {
    return this.child.ask({ ask: 'begin' });
  }

  report(): Promise<ServerReport> {
    return this.child.ask({ ask: 'report' });
  }

  close(): Promise<void> {
    return this.child.close();
  }
}
