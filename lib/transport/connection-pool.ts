import { fullJitter, type BackoffOptions } from '../core/backoff.js';
import type { Clock, Timer } from '../core/clock.js';
import { RookeryError } from '../core/errors.js';
import type { Rng } from '../core/random.js';
import type { ClientConnection } from './client-connection.js';
import type { Dialer, DialTarget } from './dialer.js';

export interface ConnectionPoolOptions {
  dialer: Dialer;
  target: () => DialTarget;
  /** Connections to one endpoint; more than one is opened only when those there are full. @default 4 */
  maxConnections: number;
  clock: Clock;
  rng: Rng;
  /** The endpoint can, or cannot, be reached. */
  onReachable(isReachable: boolean): void;
  /** The instance said itself that it is going away. */
  onGoodbye(): void;
}

const REDIAL: BackoffOptions = { initialMs: 100, maxMs: 5_000 };

/** A connection that stood this long was worth having: its end is answered by dialling at once, that of a shorter one with backoff. */
const STABLE_MS = 5_000;

/**
 * The connections to one endpoint. The first call dials; calls meanwhile wait for the same dial. After a failure the pool dials again by
 * itself, with backoff and jitter, and says when the endpoint is back, so that no call has to find out.
 */
export class ConnectionPool {
  private readonly connections: ClientConnection[] = [];
  /** Connections on their way out, kept so that `destroy` reaches them. */
  private readonly drained = new Set<ClientConnection>();
  private dialling: Promise<ClientConnection> | undefined;
  private redial: Timer | undefined;
  /** Dials and short-lived connections since one last was stable. */
  private failures = 0;
  /** Of every connection that joined the pool and has not closed. */
  private readonly openedAtMs = new Map<ClientConnection, number>();
  private isClosed = false;
  private onEmpty: (() => void) | undefined;

  constructor(private readonly options: ConnectionPoolOptions) {}

  /** Connections that stand, for metrics and tests. */
  get size(): number {
    return this.connections.length;
  }

  /** A connection with room for a call, without waiting; the one with the fewest calls where there are several. */
  ready(): ClientConnection | undefined {
    const { connections } = this;
    const first = connections[0];
    if (connections.length === 1) return first!.hasRoom ? first : undefined;
    let best: ClientConnection | undefined;
    for (const connection of connections) {
      if (connection.hasRoom && (best === undefined || connection.inFlight < best.inFlight)) best = connection;
    }
    return best;
  }

  /** Waits for a connection with room. @throws RookeryError what `Dialer.dial` throws, `TOO_MANY_CALLS`, `CLIENT_CLOSED` */
  async connect(): Promise<ClientConnection> {
    const connection = this.ready();
    if (connection) return connection;
    if (this.isClosed) throw new RookeryError('CLIENT_CLOSED', 'the connection pool is closed');
    if (this.dialling === undefined && this.connections.length >= this.options.maxConnections) throw this.full();
    const opened = await (this.dialling ??= this.dial());
    if (opened.state !== 'ready') throw goneAtOnce();
    // Others who waited for the same dial may have filled it.
    return opened.hasRoom ? opened : this.connect();
  }

  /** Lets calls under way end. @param onEmpty called when the last connection is gone */
  close(onEmpty: () => void = () => undefined): void {
    this.isClosed = true;
    this.onEmpty = onEmpty;
    this.redial?.cancel();
    for (const connection of [...this.connections]) connection.close();
    this.reportEmpty();
  }

  destroy(error: RookeryError): void {
    this.close();
    for (const connection of [...this.connections, ...this.drained]) connection.destroy(error);
  }

  private async dial(): Promise<ClientConnection> {
    this.redial?.cancel();
    try {
      const connection = await this.options.dialer.dial(this.options.target(), {
        onDraining: (draining) => this.onDraining(draining),
        onClosed: (closed) => this.onClosed(closed),
      });
      // A draining server says so right behind its greeting, and by now that has been heard.
      if (connection.state !== 'ready') throw goneAtOnce();
      this.openedAtMs.set(connection, this.options.clock.now());
      this.connections.push(connection);
      if (this.isClosed) connection.close();
      else this.options.onReachable(true);
      return connection;
    } catch (error) {
      this.failures++;
      this.options.onReachable(false);
      this.scheduleRedial();
      throw error;
    } finally {
      this.dialling = undefined;
      if (this.isClosed) this.reportEmpty();
    }
  }

  private onDraining(connection: ClientConnection): void {
    this.forget(connection);
    this.drained.add(connection);
    this.failures++;
    this.options.onReachable(false);
    this.options.onGoodbye();
  }

  private onClosed(connection: ClientConnection): void {
    const saidGoodbye = this.drained.delete(connection);
    const openedAtMs = this.openedAtMs.get(connection);
    this.openedAtMs.delete(connection);
    this.forget(connection);
    if (this.isClosed) return this.reportEmpty();
    // One that never joined is `dial`'s to deal with.
    if (this.connections.length > 0 || openedAtMs === undefined) return;
    const wasStable = this.options.clock.now() - openedAtMs >= STABLE_MS;
    this.failures = wasStable ? 0 : this.failures + 1;
    if (saidGoodbye || this.failures > 1) return this.scheduleRedial();
    // It closed on us. Whether anybody still listens there is found out now, not by the next call.
    this.redialNow();
  }

  private scheduleRedial(): void {
    if (this.isClosed) return;
    this.redial?.cancel();
    const delayMs = fullJitter(this.failures, REDIAL, this.options.rng);
    this.redial = this.options.clock.after(delayMs, () => this.redialNow());
  }

  private redialNow(): void {
    this.dialling ??= this.dial();
    this.dialling.catch(() => undefined);
  }

  private reportEmpty(): void {
    if (this.connections.length + this.drained.size === 0 && this.dialling === undefined) this.onEmpty?.();
  }

  private forget(connection: ClientConnection): void {
    const index = this.connections.indexOf(connection);
    if (index >= 0) this.connections.splice(index, 1);
  }

  private full(): RookeryError {
    return new RookeryError(
      'TOO_MANY_CALLS',
      `every connection to ${this.options.target().ip} has as many calls, or bytes, under way as it may; slow down, or add instances`,
    );
  }
}

function goneAtOnce(): RookeryError {
  return new RookeryError('PEER_DRAINING', 'the instance is going away', { outcome: 'never-sent' });
}
