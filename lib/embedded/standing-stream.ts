import type { Timer } from '../core/clock.js';
import type { Clock } from '../core/clock.js';
import type { RookeryError } from '../core/errors.js';
import type { ClientConnection } from '../transport/client-connection.js';
import { DirectCall } from '../transport/direct-call.js';
import type { RegistryLink } from './registry-link.js';

/** A stream is asked for anew this often, so that neither end keeps one for ever that the other has forgotten. */
const RENEW_MS = 3_600_000;

/** After a stream that ended on a connection which stands. */
const AGAIN_MS = 1_000;

export interface StandingStreamObserver {
  /** A new stream begins; what the registry says from now on is said by this instance of it. */
  onBegin(registryId: string): void;
  next(value: unknown): void;
  /** No stream runs, for this reason; one follows as soon as there can be one. */
  onBroken(error: RookeryError): void;
}

/** A stream that outlives its connections: asked for again on each, until it is closed. */
export class StandingStream {
  private call: DirectCall | undefined;
  private timer: Timer | undefined;
  private stopListening: (() => void) | undefined;

  constructor(
    private readonly link: RegistryLink,
    private readonly clock: Clock,
    private readonly pattern: string,
    private readonly data: unknown,
    private readonly observer: StandingStreamObserver,
  ) {}

  open(): void {
    const { link } = this;
    this.stopListening = link.listen({
      onUp: (connection) => this.begin(connection),
      onDown: (error) => this.suspend(error),
    });
    if (link.current) this.begin(link.current);
    else if (link.error) this.observer.onBroken(link.error);
    link.start();
  }

  close(): void {
    this.stopListening?.();
    this.timer?.cancel();
    this.call?.cancel();
    this.call = undefined;
  }

  private begin(connection: ClientConnection): void {
    this.timer?.cancel();
    const call = new DirectCall(connection, this.link.wheel, this.pattern, this.data, performance.now() + RENEW_MS, {
      next: (value) => this.observer.next(value),
      complete: () => this.again(call, connection, AGAIN_MS),
      fail: (error) => this.failed(call, connection, error),
    });
    this.call = call;
    this.observer.onBegin(connection.peer.instance);
    call.start();
  }

  private failed(call: DirectCall, connection: ClientConnection, error: RookeryError): void {
    if (error.reason === 'DEADLINE_EXPIRED') return this.again(call, connection, 0);
    // Of a connection that is gone the link tells, with the reason.
    if (connection.state === 'ready') this.observer.onBroken(error);
    // What it may do is settled when a connection begins; asking again on this one would not help.
    if (error.reason === 'REGISTRY_DENIED') this.call = undefined;
    else this.again(call, connection, AGAIN_MS);
  }

  private again(call: DirectCall, connection: ClientConnection, delayMs: number): void {
    if (this.call !== call) return;
    this.call = undefined;
    this.timer?.cancel();
    if (connection.state === 'ready') this.timer = this.clock.after(delayMs, () => this.begin(connection));
  }

  private suspend(error: RookeryError): void {
    this.timer?.cancel();
    this.call = undefined;
    this.observer.onBroken(error);
  }
}
