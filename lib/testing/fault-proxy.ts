import { connect, createServer, Socket, type AddressInfo, type NetConnectOpts } from 'node:net';

import { integerOption } from '../core/options.js';
import { seededRng, type Rng } from '../core/random.js';
import { DIRECTIONS, Link, type ProxyDirection, type ProxyEnd } from './fault-proxy-link.js';
import { HEALTHY, withToxics, type Toxics } from './fault-proxy-toxics.js';

/** A TCP address, or the path of a Unix socket. */
export type ProxyAddress = { host?: string; port: number } | { path: string };

/**
 * @publicApi
 */
export interface FaultProxyOptions {
  /** Where connections lead. `host` is 127.0.0.1 where it is not said. */
  target: ProxyAddress;
  /** Where it listens. @default a free port of 127.0.0.1 */
  listen?: ProxyAddress | undefined;
  /** Of jitter and chance. @default 1 */
  seed?: number | undefined;
  /** Bytes held per connection and direction; beyond, the sender has to wait. @default 1 MiB @range 1 B – 1 GiB */
  maxHeldBytes?: number | undefined;
}

/** Which part of the traffic is meant; what is not said means all of it. */
export interface ToxicScope {
  /** @default both */
  direction?: ProxyDirection | undefined;
  /** Connections there are, or those to come. @default both */
  connections?: 'existing' | 'new' | undefined;
}

/** What went through a proxy since it listens. */
export interface ProxyCounts {
  accepted: number;
  /** Connections there are now. */
  open: number;
  upstreamBytes: number;
  downstreamBytes: number;
  /** Read and never passed on. */
  swallowedBytes: number;
}

/**
 * A TCP proxy that does to connections what networks and stopped processes do. Faults are set and healed while it runs.
 *
 * ```ts
 * const proxy = await faultProxy({ target: { port: 4000 } }).listen();
 * // … clients connect to proxy.host, proxy.port
 * proxy.set({ latencyMs: 200, jitterMs: 100 });
 * proxy.set({ sliceBytes: 1 }, { direction: 'upstream', connections: 'new' });
 * proxy.set({ flow: 'black-hole' });
 * proxy.heal();
 * await proxy.close();
 * ```
 *
 * @throws ConfigurationError `OPTION_INVALID`
 * @publicApi
 */
export function faultProxy(options: FaultProxyOptions): FaultProxy {
  return new FaultProxy(options);
}

/**
 * See `faultProxy`. Bytes are bounded by `maxHeldBytes`; whoever opens it closes it.
 *
 * @publicApi
 */
export class FaultProxy {
  private readonly server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    this.accept(socket),
  );
  private readonly links = new Set<Link>();
  private readonly rng: Rng;
  private readonly maxHeldBytes: number;
  /** Of connections to come. */
  private readonly toxics: Record<ProxyDirection, Toxics> = { upstream: HEALTHY, downstream: HEALTHY };
  private readonly totals = { accepted: 0, upstreamBytes: 0, downstreamBytes: 0, swallowedBytes: 0 };

  constructor(private readonly options: FaultProxyOptions) {
    this.rng = seededRng(options.seed ?? 1);
    this.maxHeldBytes = integerOption('maxHeldBytes', options.maxHeldBytes, 1024 * 1024, { min: 1, max: 2 ** 30 });
  }

  /** Of the port it listens on. */
  get host(): string {
    return this.address.address;
  }

  get port(): number {
    return this.address.port;
  }

  get counts(): ProxyCounts {
    return { ...this.totals, open: this.links.size };
  }

  /** Rejects with what `net.Server` says where the address cannot be had. */
  listen(): Promise<this> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(withHost(this.options.listen ?? { port: 0 }), () => {
        this.server.off('error', reject);
        resolve(this);
      });
    });
  }

  /** Changes what is named, and leaves the rest as it was. @throws ConfigurationError `OPTION_INVALID` naming the field */
  set(toxics: Partial<Toxics>, { direction, connections }: ToxicScope = {}): this {
    for (const way of direction === undefined ? DIRECTIONS : [direction]) {
      const next = withToxics(this.toxics[way], toxics);
      if (connections !== 'existing') this.toxics[way] = next;
      if (connections === 'new') continue;
      for (const link of this.links) link[way].set(withToxics(link[way].toxics, toxics));
    }
    return this;
  }

  /** Takes all faults away. What froze goes on, late; connections that lost bytes, or an end, are reset. */
  heal(): this {
    for (const direction of DIRECTIONS) this.toxics[direction] = HEALTHY;
    for (const link of this.links) link.heal();
    return this;
  }

  /** Resets the connections there are (RST), at both ends. */
  reset(): void {
    for (const link of this.links) link.reset();
  }

  /** Ends one direction of the connections there are (FIN); the other goes on. */
  halfClose(direction: ProxyDirection): void {
    for (const link of this.links) link[direction].cut();
  }

  /** Of the connections there are, that end has none any more, and the other does not hear of it: they are half-open. */
  vanish(end: ProxyEnd): void {
    for (const link of this.links) link.vanish(end, { ...HEALTHY, flow: 'black-hole' });
  }

  /** Stops listening and drops every connection; resolves when nothing is open. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const link of this.links) link.destroy();
    await Promise.all([closed, ...Array.from(this.links, (link) => link.closed)]);
  }

  private get address(): AddressInfo {
    const address = this.server.address();
    if (address !== null && typeof address === 'object') return address;
    throw new Error('the fault proxy does not listen on a port: call listen() first');
  }

  private accept(client: Socket): void {
    this.totals.accepted++;
    const leadsNowhere = this.toxics.upstream.flow === 'black-hole' || this.toxics.downstream.flow === 'black-hole';
    const target = leadsNowhere
      ? new Socket()
      : connect({ ...withHost(this.options.target), allowHalfOpen: true } as NetConnectOpts);
    const link = new Link(client, target, leadsNowhere, {
      rng: this.rng,
      maxHeldBytes: this.maxHeldBytes,
      onPassed: (direction, bytes) => (this.totals[`${direction}Bytes`] += bytes),
      onSwallowed: (bytes) => (this.totals.swallowedBytes += bytes),
    });
    this.links.add(link);
    void link.closed.then(() => this.links.delete(link));
    for (const direction of DIRECTIONS) link[direction].set(this.toxics[direction]);
  }
}

function withHost(address: ProxyAddress): ProxyAddress {
  return 'path' in address ? address : { host: '127.0.0.1', ...address };
}
