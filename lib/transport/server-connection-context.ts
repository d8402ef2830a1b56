import type { TimerWheel } from '../core/timer-wheel.js';
import type { Identity } from '../wire/hello.js';
import type { ServerBudgets } from './byte-budget.js';
import type { Handlers } from './handlers.js';
import type { KeepAliveTimes } from './keep-alive.js';
import type { TransportLimits } from './limits.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerHandshakeOptions } from './server-handshake.js';

/** Who calls, as a handler sees it. */
export interface Peer extends Identity {
  /** `ip:port` of the caller's socket. */
  address: string;
  /** Id of the secret it proved to know (`secretId`), where secrets are in use. */
  keyId: string | undefined;
}

/** What a connection shares with its server. */
export interface ServerConnectionContext extends ServerHandshakeOptions {
  readonly transportLimits: TransportLimits;
  readonly handlers: Handlers;
  /** The encoded MANIFEST, as much of it as a peer takes in one frame. */
  manifest(maxBytes: number): Buffer;
  readonly wheel: TimerWheel;
  readonly keepAlive: KeepAliveTimes;
  readonly budgets: ServerBudgets;
  /** Takes one of the process's slots for a running call; false where none is left. */
  takeSlot(): boolean;
  freeSlot(): void;
  /** @returns for how long the answer is to be held back, in ms */
  onHandshakeFailed(connection: ServerConnection): number;
  onReady(connection: ServerConnection): void;
  onClosed(connection: ServerConnection, error: Error | undefined): void;
}
