import { formatAddress, type Address } from '../core/address.js';
import type { ClientConnection } from '../transport/client-connection.js';
import type { ConnectionEvents, Dialer } from '../transport/dialer.js';
import type { Entrance, EntrancePace } from './entrance.js';
import { registryFailure } from './registry-failure.js';
import { REGISTRY_SERVICE } from './registry-protocol.js';

/** A registry elsewhere: its addresses are tried in their order, always from the first. */
export class Join implements Entrance {
  readonly where: string;
  readonly pace: EntrancePace = { returnMs: 1_000, backoff: { initialMs: 2_000, maxMs: 8_000 } };

  /** @param addresses at least one */
  constructor(
    private readonly addresses: readonly Address[],
    private readonly dialer: Dialer,
  ) {
    this.where = addresses.map(({ host, port }) => formatAddress(host, port)).join(',');
  }

  async enter(events: ConnectionEvents, signal: AbortSignal): Promise<ClientConnection> {
    let failure: unknown;
    for (const { host, port } of this.addresses) {
      try {
        return await this.dialer.dial({ ip: host, port, service: REGISTRY_SERVICE }, events, signal);
      } catch (error) {
        failure = error;
        if (signal.aborted) break;
      }
    }
    throw registryFailure(failure, this.where);
  }

  async close(): Promise<void> {}
}
