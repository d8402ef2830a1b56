import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { formatAddress } from '../core/address.js';
import { RookeryError, type Reason } from '../core/errors.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { systemClock } from '../core/clock.js';
import type { KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { Identity } from '../wire/hello.js';
import { encodeManifest } from '../wire/manifest.js';
import { addressGroup, Admission } from './admission.js';
import { ServerBudgets } from './byte-budget.js';
import { FailureLedger } from './failure-ledger.js';
import type { Handlers } from './handlers.js';
import type { KeepAliveTimes } from './keep-alive.js';
import { peerLimits, type TransportLimits } from './limits.js';
import { ServerConnection } from './server-connection.js';
import type { ServerConnectionContext } from './server-connection-context.js';

export interface AcceptorOptions {
  self: Identity;
  handlers: Handlers;
  keys: KeyRing;
  codecs: readonly Codec[];
  limits: TransportLimits;
  keepAlive: KeepAliveTimes;
  /** A connection has finished its hello. */
  onConnection?: ((connection: ServerConnection) => void) | undefined;
  /** A connection was refused, or cut later, by this end. @param address `ip:port` of the peer */
  onRefused?: ((error: RookeryError, address: string) => void) | undefined;
  onConnectionClosed?: ((connection: ServerConnection, error: Error | undefined) => void) | undefined;
}

/** The listening socket and everything accepted on it. */
export class Acceptor {
  readonly connections = new Set<ServerConnection>();

  private readonly wheel = new TimerWheel(systemClock);
  private readonly context: ServerConnectionContext;
  private server: Server | undefined;
  private readonly admission: Admission<ServerConnection>;
  private readonly failures = new FailureLedger(systemClock);
  private readonly refused = new Map<Reason, number>();
  private running = 0;
  private isDraining = false;
  private onIdle: (() => void) | undefined;
  private onEmpty: (() => void) | undefined;

  constructor(private readonly options: AcceptorOptions) {
    const { self, keys, codecs, limits, handlers, keepAlive } = options;
    const manifest = encodeManifest(handlers.list);
    this.admission = new Admission(limits);
    this.context = {
      self,
      keys,
      codecs,
      handlers,
      keepAlive,
      transportLimits: limits,
      limits: peerLimits(limits),
      manifest: (maxBytes) => (manifest.length <= maxBytes ? manifest : encodeManifest(handlers.list, maxBytes)),
      wheel: this.wheel,
      budgets: new ServerBudgets(limits.maxBufferedBytes),
      takeSlot: () => this.takeSlot(),
      freeSlot: () => this.freeSlot(),
      onHandshakeFailed: (connection) => this.failures.note(this.admission.addressOf(connection)),
      onReady: (connection) => this.onReady(connection),
      onClosed: (connection, error) => this.onClosed(connection, error),
    };
  }

  /** Handlers that run. */
  get inFlight(): number {
    return this.running;
  }

  /** Connections that this end refused, or cut later, by reason, since it was made. */
  get refusals(): Readonly<Partial<Record<Reason, number>>> {
    return Object.fromEntries(this.refused);
  }

  /** Where it listens, once it does. */
  get address(): AddressInfo | undefined {
    return (this.server?.address() as AddressInfo | null) ?? undefined;
  }

  get netServer(): Server | undefined {
    return this.server;
  }

  /** @throws RookeryError `ADDRESS_IN_USE`, `LISTEN_FAILED` */
  listen(host: string, port: number): Promise<AddressInfo> {
    const server = createServer((socket) => this.accept(socket));
    this.server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => {
        this.server = undefined;
        reject(listenError(cause, host, port));
      });
      server.listen({ host, port }, () => {
        server.removeAllListeners('error');
        // What can fail from here on is one accept; the connections that stand must not fall with it.
        server.on('error', () => undefined);
        resolve(server.address() as AddressInfo);
      });
    });
  }

  /** Asks every client to move away; calls made meanwhile are still served. */
  announceDrain(): void {
    this.isDraining = true;
    for (const connection of this.connections) connection.announceDrain();
  }

  /** Resolves when no client is connected any more, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.onEmpty = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.onEmpty = done;
    });
  }

  /**
   * Takes no further connections and calls, waits for running handlers at most `graceMs`, then closes everything.
   * Callers of handlers that did not end by then see their connection close.
   */
  async close(graceMs: number): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of [...this.connections]) connection.refuseCalls();
    if (this.running > 0) await this.idleWithin(graceMs);
    const cut = setTimeout(() => this.destroyAll(), this.running > 0 ? 0 : CLOSE_LINGER_MS);
    await closed;
    clearTimeout(cut);
  }

  private idleWithin(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private destroyAll(): void {
    for (const connection of [...this.connections]) connection.destroy();
  }

  private accept(socket: Socket): void {
    const address = addressGroup(socket.remoteAddress);
    const problem = this.admission.problem(address);
    if (problem !== undefined) {
      socket.destroy();
      return this.countRefusal(problem, formatAddress(socket.remoteAddress ?? 'unix', socket.remotePort ?? 0));
    }
    const connection = new ServerConnection(socket, this.context);
    this.connections.add(connection);
    this.admission.enter(connection, address);
  }

  private countRefusal(error: RookeryError, address: string): void {
    this.refused.set(error.reason, (this.refused.get(error.reason) ?? 0) + 1);
    this.options.onRefused?.(error, address);
  }

  private onReady(connection: ServerConnection): void {
    this.admission.greeted(connection);
    if (this.isDraining) connection.announceDrain();
    this.options.onConnection?.(connection);
  }

  private onClosed(connection: ServerConnection, error: Error | undefined): void {
    this.admission.left(connection);
    this.connections.delete(connection);
    if (RookeryError.is(error)) this.countRefusal(error, connection.peer.address);
    if (this.connections.size === 0) this.onEmpty?.();
    this.options.onConnectionClosed?.(connection, error);
  }

  private takeSlot(): boolean {
    if (this.running >= this.options.limits.maxInFlight) return false;
    this.running++;
    return true;
  }

  private freeSlot(): void {
    this.running--;
    if (this.running === 0) this.onIdle?.();
  }
}

/** How long a client may take to close its side after the last reply. */
const CLOSE_LINGER_MS = 500;

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): RookeryError {
  const where = formatAddress(host, port);
  if (cause.code === 'EADDRINUSE') {
    return new RookeryError(
      'ADDRESS_IN_USE',
      `cannot listen on ${where}: the port is in use; choose another, or port 0 for a free one`,
      { cause },
    );
  }
  return new RookeryError('LISTEN_FAILED', `cannot listen on ${where}: ${cause.message}; check the host option`, {
    cause,
  });
}
