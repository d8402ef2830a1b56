import { randomUUID } from 'node:crypto';

import { formatAddress, type Address } from '../core/address.js';
import { systemClock } from '../core/clock.js';
import { InstanceTable } from '../registry/instance-table.js';
import { Acceptor } from '../transport/acceptor.js';
import { KEEP_ALIVE_TIMES } from '../transport/keep-alive.js';
import type { ServerConnection } from '../transport/server-connection.js';
import { jsonCodec } from '../wire/json-codec.js';
import { msgpackCodec } from '../wire/msgpack-codec.js';
import { RegistryHandlers } from './registry-handlers.js';
import { REGISTRY_SERVICE, type RegistryStats } from './registry-protocol.js';
import {
  registryServerSettings,
  type RegistryServerOptions,
  type RegistryServerSettings,
} from './registry-server-options.js';

/**
 * The embedded registry's server: leases, watches and events over Rookery's own wire. `npx rookery registry` runs one, as does the first
 * process that uses `embeddedRegistry()` without an address.
 *
 * It keeps everything in memory, and there is one of it: who needs more moves to another registry by changing one line. After a restart
 * it knows nothing until everybody has registered again, which it says for the length of one lease (`isWarming`); clients then
 * keep what they knew before until it is confirmed or that time is over.
 *
 * ```ts
 * const server = new RegistryServer({ host: '10.0.0.5', auth: { secrets: [process.env.ROOKERY_SECRET] } });
 * const { port } = await server.listen();
 * ```
 *
 * @publicApi
 */
export class RegistryServer {
  private readonly settings: RegistryServerSettings;
  private readonly table: InstanceTable;
  private readonly handlers: RegistryHandlers;
  private readonly acceptor: Acceptor;
  private listening: Promise<Address> | undefined;
  private startedAtMs = 0;
  private isClosing = false;

  /** @throws ConfigurationError `OPTION_INVALID`, `INSECURE_BIND` */
  constructor(options: RegistryServerOptions = {}) {
    this.settings = registryServerSettings(options);
    const { ttlMs, maxInstances, keys, limits } = this.settings;
    this.table = new InstanceTable({ ttlMs, maxInstances });
    this.handlers = new RegistryHandlers({
      table: this.table,
      ttlMs,
      clock: systemClock,
      warmingMs: () => this.warmingMs(),
      stats: () => this.stats(),
    });
    this.acceptor = new Acceptor({
      self: { service: REGISTRY_SERVICE, instance: randomUUID() },
      handlers: this.handlers.handlers,
      keys,
      codecs: [msgpackCodec(), jsonCodec()],
      limits,
      keepAlive: KEEP_ALIVE_TIMES,
      onConnectionClosed: (connection) => this.loseOwner(connection),
    });
  }

  /** @returns where it listens @throws RookeryError `ADDRESS_IN_USE`, `LISTEN_FAILED` */
  listen(): Promise<Address> {
    this.listening ??= this.start().catch((error: unknown) => {
      this.listening = undefined;
      throw error;
    });
    return this.listening;
  }

  /** Closes every connection and forgets everything. May be called twice. */
  async close(): Promise<void> {
    await this.listening?.catch(() => undefined);
    this.isClosing = true;
    this.handlers.endStreams();
    await this.acceptor.close(CLOSE_GRACE_MS);
    this.table.close();
  }

  stats(): RegistryStats {
    const { ttlMs } = this.settings;
    const uptimeMs = Math.round(performance.now() - this.startedAtMs);
    const connections = this.acceptor.connections.size;
    return { ...this.table.stats(), connections, ttlMs, uptimeMs, isWarming: this.warmingMs() > 0 };
  }

  private async start(): Promise<Address> {
    const { host, port, isExposed } = this.settings;
    const address = await this.acceptor.listen(host, port);
    this.startedAtMs = performance.now();
    if (isExposed) warnOfExposure(formatAddress(host, address.port));
    return { host, port: address.port };
  }

  /** Who loses its connection because this end closes it is not unhealthy; watchers must not hear so as the last word. */
  private loseOwner(connection: ServerConnection): void {
    if (!this.isClosing) this.table.markOwnerLost(connection);
  }

  /** Whoever was registered before a restart renews within one lease, or would have been gone by then anyway. */
  private warmingMs(): number {
    return Math.max(0, Math.ceil(this.startedAtMs + this.settings.ttlMs - performance.now()));
  }
}

/** Streams end within the pace of their messages. */
const CLOSE_GRACE_MS = 250;

function warnOfExposure(where: string): void {
  process.emitWarning(`the registry on ${where} lets everybody who can reach it take over services; set auth.secrets`, {
    code: 'ROOKERY_INSECURE',
  });
}
