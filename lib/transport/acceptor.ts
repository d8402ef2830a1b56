import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { RookeryError, type Reason } from '../core/errors.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { systemClock } from '../core/clock.js';
import type { KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { Identity } from '../wire/hello.js';
import { encodeManifest } from '../wire/manifest.js';
import { addressGroup, Admission } from './admission.js';
import { ServerBudgets } from './byte-budget.js';
import { FairShare } from './fair-share.js';
import { FailureLedger } from './failure-ledger.js';
import type { Handlers } from './handlers.js';
import type { KeepAliveTimes } from './keep-alive.js';
import { peerLimits, type TransportLimits } from './limits.js';
import { boundAddress, listenOn, peerAddress } from './listening.js';
import { ServerConnection } from './server-connection.js';
import type { ServerConnectionContext } from './server-connection-context.js';
import { tlsFailure } from './tls/failure.js';
import type { ServerTls } from './tls/server.js';
import { Turn } from './turn.js';

export interface AcceptorOptions {
  self: Identity;
  handlers: Handlers;
  keys: KeyRing;
  codecs: readonly Codec[];
  limits: TransportLimits;
  keepAlive: KeepAliveTimes;
  /** With it everything is encrypted. */
  tls?: ServerTls | undefined;
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
  private readonly slots: FairShare;
  private isDraining = false;
  private stopWatching: (() => void) | undefined;
  private onIdle: (() => void) | undefined;
  private onEmpty: (() => void) | undefined;

  constructor(private readonly options: AcceptorOptions) {
    const { self, keys, codecs, limits, handlers, keepAlive, tls } = options;
    const manifest = encodeManifest(handlers.list);
    this.admission = new Admission(limits);
    this.slots = new FairShare(limits.maxInFlight);
    this.context = {
      self,
      keys,
      codecs,
      handlers,
      keepAlive: towardsReaders(keepAlive, limits),
      transportLimits: limits,
      limits: peerLimits(limits),
      manifest: (maxBytes) => (manifest.length <= maxBytes ? manifest : encodeManifest(handlers.list, maxBytes)),
      wheel: this.wheel,
      budgets: new ServerBudgets(limits.maxBufferedBytes),
      turn: new Turn(),
      verifyPeer: tls && ((hello, socket) => tls.verifyPeer(hello, socket)),
      takeSlot: (own) => this.slots.take(own, 1),
      freeSlot: () => this.freeSlot(),
      onHandshakeFailed: (connection) => this.failures.note(this.admission.addressOf(connection)),
      onReady: (connection) => this.onReady(connection),
      onClosed: (connection, error) => this.onClosed(connection, error),
    };
  }

  /** Handlers that run. */
  get inFlight(): number {
    return this.slots.taken;
  }

  /** Connections that this end refused, or cut later, by reason, since it was made. */
  get refusals(): Readonly<Partial<Record<Reason, number>>> {
    return Object.fromEntries(this.refused);
  }

  /** Where it listens, once it does. */
  get address(): AddressInfo | undefined {
    return this.server && boundAddress(this.server);
  }

  get netServer(): Server | undefined {
    return this.server;
  }

  /** @param host an address, or `unix:/path` @throws RookeryError `ADDRESS_IN_USE`, `LISTEN_FAILED` */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const server = createServer((socket) => this.accept(socket));
    this.server = server;
    try {
      const address = await listenOn(server, host, port);
      this.stopWatching = this.options.tls?.credentials.watch();
      return address;
    } catch (error) {
      this.server = undefined;
      throw error;
    }
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
    this.stopWatching?.();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of [...this.connections]) connection.refuseCalls();
    if (this.inFlight > 0) await this.idleWithin(graceMs);
    const cut = setTimeout(() => this.destroyAll(), this.inFlight > 0 ? 0 : CLOSE_LINGER_MS);
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
      return this.countRefusal(problem, peerAddress(socket));
    }
    const connection = new ServerConnection(this.options.tls?.secure(socket) ?? socket, this.context);
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
    const refusal = RookeryError.is(error) ? error : tlsFailure(error);
    if (refusal) this.countRefusal(refusal, connection.peer.address);
    if (this.connections.size === 0) this.onEmpty?.();
    this.options.onConnectionClosed?.(connection, refusal ?? error);
  }

  private freeSlot(): void {
    this.slots.free(1);
    if (this.slots.taken === 0) this.onIdle?.();
  }
}

/** A server waits for a client where a stream waits for its reader, and for no longer than for one that takes nothing of what was written. */
function towardsReaders(times: KeepAliveTimes, { sendStallMs }: TransportLimits): KeepAliveTimes {
  return { ...times, busyTimeoutMs: Math.max(times.busyTimeoutMs, sendStallMs - times.busyAfterMs) };
}

/** How long a client may take to close its side after the last reply. */
const CLOSE_LINGER_MS = 500;
