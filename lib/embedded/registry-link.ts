import type { Clock, Timer } from '../core/clock.js';
import { RookeryError } from '../core/errors.js';
import type { Rng } from '../core/random.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { registryClosed } from '../registry/registry-errors.js';
import type { ClientConnection } from '../transport/client-connection.js';
import { collect } from '../transport/direct-call.js';
import type { Entrance, LinkListener } from './entrance.js';
import { isConnectionGone, registryFailure, unreachable } from './registry-failure.js';

export interface RegistryLinkInit {
  readonly entrance: Entrance;
  readonly name: string;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Shared with the dialer of the entrance. */
  readonly wheel: TimerWheel;
  /** How long a call may take, waiting for a connection included, in ms. */
  readonly callTimeoutMs: number;
}

/** Somebody who waits for a connection. */
interface Waiter {
  resolve(connection: ClientConnection): void;
  reject(error: RookeryError): void;
}

/**
 * The one connection to the registry, kept up: from the first use on until `close`, whatever happens to it in between. Calls made while
 * an attempt is under way wait for its end; after it failed, they fail at once with its error until the next one succeeds.
 */
export class RegistryLink {
  private readonly listeners = new Set<LinkListener>();
  private readonly waiters = new Set<Waiter>();
  private readonly giveUp = new AbortController();
  private connection: ClientConnection | undefined;
  /** Why the last attempt failed, until one succeeds. */
  private failure: RookeryError | undefined;
  private attempt: Promise<void> | undefined;
  private timer: Timer | undefined;
  private failures = 0;
  private isClosed = false;

  constructor(private readonly init: RegistryLinkInit) {}

  get wheel(): TimerWheel {
    return this.init.wheel;
  }

  get current(): ClientConnection | undefined {
    return this.connection;
  }

  /** Why there is no connection, where that is known. */
  get error(): RookeryError | undefined {
    return this.failure;
  }

  /** Connects, where nobody asked for it before. */
  start(): void {
    if (this.isClosed || this.connection || this.attempt || this.timer) return;
    this.enter();
  }

  /** The listener hears of every connection from now on. @returns stops it */
  listen(listener: LinkListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The last value of an answer. @throws RookeryError as the port names them */
  async ask(pattern: string, data: unknown): Promise<unknown> {
    return (await this.collect(pattern, data)).at(-1);
  }

  /** All values of an answer. A call that lost its connection is made once more: the registry's patterns may be. */
  async collect(pattern: string, data: unknown): Promise<unknown[]> {
    const deadlineAtMs = performance.now() + this.init.callTimeoutMs;
    try {
      return await this.once(pattern, data, deadlineAtMs);
    } catch (error) {
      if (!isConnectionGone(error)) throw registryFailure(error, this.init.entrance.where);
    }
    try {
      return await this.once(pattern, data, deadlineAtMs);
    } catch (error) {
      throw registryFailure(error, this.init.entrance.where);
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    const error = registryClosed(this.init.name);
    this.listeners.clear();
    this.timer?.cancel();
    this.giveUp.abort();
    this.settle((waiter) => waiter.reject(error));
    this.connection?.destroy(error);
    await this.attempt;
  }

  private async once(pattern: string, data: unknown, deadlineAtMs: number): Promise<unknown[]> {
    const connection = await this.ready(deadlineAtMs);
    return collect(connection, this.init.wheel, pattern, data, deadlineAtMs);
  }

  private ready(deadlineAtMs: number): Promise<ClientConnection> {
    if (this.isClosed) return Promise.reject(registryClosed(this.init.name));
    if (this.connection) return Promise.resolve(this.connection);
    if (this.failure) return Promise.reject(this.failure);
    this.start();
    return this.wait(deadlineAtMs - performance.now());
  }

  private wait(timeoutMs: number): Promise<ClientConnection> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (connection) => (timer.cancel(), resolve(connection)),
        reject: (error) => (timer.cancel(), reject(error)),
      };
      const timer = this.init.clock.after(timeoutMs, () => {
        this.waiters.delete(waiter);
        reject(unreachable(this.init.entrance.where, 'no connection in time', undefined));
      });
      this.waiters.add(waiter);
    });
  }

  private enter(): void {
    this.timer = undefined;
    this.attempt = this.tryToEnter().finally(() => (this.attempt = undefined));
  }

  /** Never rejects. */
  private async tryToEnter(): Promise<void> {
    const events = {
      onDraining: (connection: ClientConnection) =>
        connection.destroy(new RookeryError('PEER_DRAINING', 'it goes away')),
      onClosed: (connection: ClientConnection, error: RookeryError) => this.lose(connection, error),
    };
    try {
      const connection = await this.init.entrance.enter(events, this.giveUp.signal);
      this.become(connection);
    } catch (error) {
      this.fail(registryFailure(error, this.init.entrance.where));
    }
  }

  private become(connection: ClientConnection): void {
    if (this.isClosed) return connection.destroy(registryClosed(this.init.name));
    // It may have ended between its readiness and our turn.
    if (connection.state !== 'ready')
      return this.lose(connection, unreachable(this.init.entrance.where, 'it hung up', undefined));
    this.connection = connection;
    this.failure = undefined;
    this.failures = 0;
    // Watches first: a call that waits may cause what they want to hear.
    for (const listener of this.listeners) listener.onUp(connection);
    this.settle((waiter) => waiter.resolve(connection));
  }

  private lose(connection: ClientConnection, error: RookeryError): void {
    if (this.isClosed || (this.connection && this.connection !== connection)) return;
    this.connection = undefined;
    const failure = registryFailure(error, this.init.entrance.where);
    for (const listener of this.listeners) listener.onDown(failure);
    this.enterAfter(this.init.rng() * this.init.entrance.pace.returnMs);
  }

  private fail(error: RookeryError): void {
    if (this.isClosed) return;
    this.failure = error;
    for (const listener of this.listeners) listener.onDown(error);
    this.settle((waiter) => waiter.reject(error));
    const { initialMs, maxMs } = this.init.entrance.pace.backoff;
    const backoffMs = Math.min(maxMs, initialMs * 2 ** Math.min(this.failures++, 10));
    this.enterAfter((backoffMs / 2) * (1 + this.init.rng()));
  }

  private enterAfter(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.init.clock.after(delayMs, () => this.enter());
  }

  private settle(tell: (waiter: Waiter) => void): void {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) tell(waiter);
  }
}
