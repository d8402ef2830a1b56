import { formatAddress, type Address } from '../core/address.js';
import { pause, type Clock } from '../core/clock.js';
import { RookeryError, type Reason } from '../core/errors.js';
import type { Rng } from '../core/random.js';
import type { ClientConnection } from '../transport/client-connection.js';
import type { ConnectionEvents, Dialer } from '../transport/dialer.js';
import type { Entrance, EntrancePace } from './entrance.js';
import { portTaken, registryFailure } from './registry-failure.js';
import { REGISTRY_SERVICE } from './registry-protocol.js';
import { RegistryServer } from './registry-server.js';

export interface HostOrJoinInit {
  readonly address: Address;
  readonly dialer: Dialer;
  /** The server for the case that nobody else listens. */
  readonly createServer: () => RegistryServer;
  readonly clock: Clock;
  readonly rng: Rng;
}

/** Rounds of "nobody listens" and "somebody has the port": two processes that start together need two. */
const ROUNDS = 5;
const ROUND_MS = 50;

/** What a listener that is no registry of ours makes of our hello, or we of its. */
const STRANGER: ReadonlySet<Reason> = new Set<Reason>([
  'HANDSHAKE_FAILED',
  'TLS_FAILED',
  'WRONG_INSTANCE',
  'VERSION_UNSUPPORTED',
]);

/**
 * The registry on this machine: whoever finds its port free hosts it, all others join. The kernel decides who comes first, as it gives
 * a port to one process only. When the host dies its clients lose their connections, and come here again.
 */
export class HostOrJoin implements Entrance {
  readonly where: string;
  readonly pace: EntrancePace = { returnMs: 250, backoff: { initialMs: 500, maxMs: 2_000 } };
  private server: RegistryServer | undefined;

  constructor(private readonly init: HostOrJoinInit) {
    this.where = formatAddress(init.address.host, init.address.port);
  }

  /** Whether the registry runs in this process. */
  get isHost(): boolean {
    return this.server !== undefined;
  }

  async enter(events: ConnectionEvents, signal: AbortSignal): Promise<ClientConnection> {
    let failure: unknown;
    for (let round = 0; round < ROUNDS && !signal.aborted; round++) {
      try {
        return await this.dial(events, signal);
      } catch (error) {
        if (!isNobodyThere(error)) throw this.refusal(error);
        failure = error;
      }
      const inUse = signal.aborted ? undefined : await this.host();
      if (!inUse) continue;
      // Somebody was quicker, and will listen in a moment.
      failure = inUse;
      await pause(this.init.clock, this.init.rng() * ROUND_MS, signal);
    }
    throw RookeryError.is(failure) && failure.reason === 'ADDRESS_IN_USE'
      ? portTaken(this.where, failure)
      : registryFailure(failure, this.where);
  }

  async close(): Promise<void> {
    await this.server?.close();
    this.server = undefined;
  }

  private dial(events: ConnectionEvents, signal: AbortSignal): Promise<ClientConnection> {
    const { dialer, address } = this.init;
    return dialer.dial({ ip: address.host, port: address.port, service: REGISTRY_SERVICE }, events, signal);
  }

  /** @returns the error where another process has the port @throws RookeryError */
  private async host(): Promise<RookeryError | undefined> {
    const server = this.init.createServer();
    try {
      await server.listen();
    } catch (error) {
      if (RookeryError.is(error) && error.reason === 'ADDRESS_IN_USE') return error;
      throw registryFailure(error, this.where);
    }
    this.server = server;
    return undefined;
  }

  private refusal(error: unknown): RookeryError {
    if (RookeryError.is(error) && STRANGER.has(error.reason)) return portTaken(this.where, error);
    return registryFailure(error, this.where);
  }
}

/** Refused at once: no socket listens there. */
function isNobodyThere(error: unknown): boolean {
  if (!RookeryError.is(error) || error.reason !== 'CONNECT_FAILED') return false;
  return (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED';
}
