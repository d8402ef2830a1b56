import { randomUUID } from 'node:crypto';

import { formatAddress, type Address } from '../core/address.js';
import { systemClock } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import { InstanceTable } from '../registry/instance-table.js';
import { Acceptor } from '../transport/acceptor.js';
import { KEEP_ALIVE_TIMES } from '../transport/keep-alive.js';
import type { ServerConnection } from '../transport/server-connection.js';
import { ServerTls } from '../transport/tls/server.js';
import type { Identity } from '../wire/hello.js';
import { standardCodecs } from '../wire/standard-codecs.js';
import { memoryWrites, type InstanceWrites } from './instance-writes.js';
import { RegistryData } from './registry-data.js';
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
 * There is one of it: who needs more moves to another registry by changing one line. With `dataDir`, what it acknowledged is still there after a
 * restart, each instance as it was registered and with a lease that begins anew. Without, it knows nothing until everybody has registered
 * again, which it says for the length of one lease (`isWarming`); clients then keep what they knew before until it is confirmed or that
 * time is over.
 *
 * ```ts
 * const auth = { secrets: [process.env.ROOKERY_SECRET] };
 * const server = new RegistryServer({ host: '10.0.0.5', auth, dataDir: '/var/lib/rookery' });
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
  private readonly self: Identity = { service: REGISTRY_SERVICE, instance: randomUUID() };
  private readonly memory: InstanceWrites;
  private data: RegistryData | undefined;
  private listening: Promise<Address> | undefined;
  private startedAtMs = 0;
  private isClosing = false;

  /** @throws ConfigurationError `OPTION_INVALID`, `INSECURE_BIND` */
  constructor(
    options: RegistryServerOptions = {},
    /** Of the log, for tests that cannot write as much as a real one. */
    private readonly maxLogBytes?: number,
  ) {
    this.settings = registryServerSettings(options);
    const { ttlMs, maxInstances, maxInstancesPerService, permissions, keys, limits, tls } = this.settings;
    const onExpired = (instance: ServiceInstance) => this.data?.noteExpired(instance);
    this.table = new InstanceTable({ ttlMs, maxInstances, maxInstancesPerService, onExpired });
    this.memory = memoryWrites(this.table);
    this.handlers = new RegistryHandlers({
      table: this.table,
      writes: () => this.data ?? this.memory,
      permissions,
      ttlMs,
      clock: systemClock,
      warmingMs: () => this.warmingMs(),
      stats: () => this.stats(),
    });
    this.acceptor = new Acceptor({
      self: this.self,
      handlers: this.handlers.handlers,
      keys,
      codecs: standardCodecs(),
      limits,
      tls: tls && new ServerTls(tls),
      keepAlive: KEEP_ALIVE_TIMES,
      onConnectionClosed: (connection) => this.loseOwner(connection),
    });
  }

  /** @returns where it listens @throws RookeryError `ADDRESS_IN_USE`, `LISTEN_FAILED`; ConfigurationError `DATA_DIR_UNUSABLE` */
  listen(): Promise<Address> {
    this.listening ??= this.start().catch((error: unknown) => {
      this.listening = undefined;
      throw error;
    });
    return this.listening;
  }

  /** Closes every connection and forgets everything but its data. May be called twice. */
  async close(): Promise<void> {
    await this.listening?.catch(() => undefined);
    this.isClosing = true;
    this.handlers.endStreams();
    await this.acceptor.close(CLOSE_GRACE_MS);
    await this.letGo();
  }

  stats(): RegistryStats {
    const { ttlMs } = this.settings;
    const uptimeMs = Math.round(performance.now() - this.startedAtMs);
    const connections = this.acceptor.connections.size;
    return {
      ...this.table.stats(),
      connections,
      ttlMs,
      uptimeMs,
      isWarming: this.warmingMs() > 0,
      storage: this.storage,
    };
  }

  private get storage(): RegistryStats['storage'] {
    if (!this.data) return 'memory';
    return this.data.isWritable ? 'disk' : 'failing';
  }

  private async start(): Promise<Address> {
    const { host, port, isExposed } = this.settings;
    await this.openData();
    const address = await this.acceptor.listen(host, port).catch(async (error: unknown) => {
      await this.letGo();
      throw error;
    });
    this.startedAtMs = performance.now();
    if (isExposed) warnOfExposure(formatAddress(host, address.port));
    return { host, port: address.port };
  }

  private async openData(): Promise<void> {
    const { settings, maxLogBytes } = this;
    const { dataDir } = settings;
    if (dataDir === undefined) return;
    this.data = await RegistryData.open({ dataDir, table: this.table, report: warnOfData, maxLogBytes });
    this.self.instance = this.data.registryId;
  }

  private async letGo(): Promise<void> {
    await this.data?.close();
    this.data = undefined;
    this.table.close();
  }

  /** Who loses its connection because this end closes it is not unhealthy; watchers must not hear so as the last word. */
  private loseOwner(connection: ServerConnection): void {
    if (!this.isClosing) this.table.markOwnerLost(connection);
  }

  /** Whoever was registered before a restart renews within one lease, or would have been gone by then anyway. */
  private warmingMs(): number {
    if (this.data?.isComplete === true) return 0;
    return Math.max(0, Math.ceil(this.startedAtMs + this.settings.ttlMs - performance.now()));
  }
}

/** Streams end within the pace of their messages. */
const CLOSE_GRACE_MS = 250;

function warnOfData(message: string): void {
  process.emitWarning(message, { code: 'ROOKERY_REGISTRY_DATA' });
}

function warnOfExposure(where: string): void {
  process.emitWarning(
    `the registry on ${where} lets everybody who can reach it take over services; set auth.secrets, or tls.ca`,
    {
      code: 'ROOKERY_INSECURE',
    },
  );
}
