import type { BackoffOptions } from '../core/backoff.js';
import type { RookeryError } from '../core/errors.js';
import type { ClientConnection } from '../transport/client-connection.js';
import type { ConnectionEvents } from '../transport/dialer.js';

/** How a client comes to a registry: by its address, or by hosting it where nobody does. */
export interface Entrance {
  /** Names the registry in errors and snapshots. */
  readonly where: string;
  readonly pace: EntrancePace;
  /**
   * One attempt, within bounded time. Called again after each connection, and each failure, never concurrently.
   *
   * @throws RookeryError
   */
  enter(events: ConnectionEvents, signal: AbortSignal): Promise<ClientConnection>;
  /** Puts away what an attempt opened besides the connection. */
  close(): Promise<void>;
}

/** When an attempt follows another. */
export interface EntrancePace {
  /** After a connection was lost: a random time up to this, so that not everybody comes back at once. */
  readonly returnMs: number;
  /** After a failed attempt: between half of the backoff and all of it. */
  readonly backoff: BackoffOptions;
}

/** What a link tells. */
export interface LinkListener {
  onUp(connection: ClientConnection): void;
  /** There is no connection, or still none. */
  onDown(error: RookeryError): void;
}
