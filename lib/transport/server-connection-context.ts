import type { Socket } from 'node:net';

import type { TimerWheel } from '../core/timer-wheel.js';
import type { ClientHello, Identity } from '../wire/hello.js';
import type { ServerBudgets } from './byte-budget.js';
import type { Handlers } from './handlers.js';
import type { KeepAliveTimes } from './keep-alive.js';
import type { TransportLimits } from './limits.js';
import type { Turn } from './turn.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerHandshakeOptions } from './server-handshake.js';

/** Who calls, as a handler sees it. */
export interface Peer extends Identity {
  /** `ip:port` of the caller's socket. */
  address: string;
  /** Id of the secret it proved to know (`secretId`), where secrets are in use. */
  keyId: string | undefined;
  /** DNS names and URIs of the certificate it showed; empty without mutual TLS. */
  certificateNames: readonly string[];
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
  readonly turn: Turn;
  /** Checks a hello against the certificate of whoever sent it. @returns its names @throws RookeryError */
  verifyPeer?: ((hello: ClientHello, socket: Socket) => readonly string[]) | undefined;
  /** Takes one of the process's slots for a running call, for a connection that has so many; false where none is left for it. */
  takeSlot(own: number): boolean;
  freeSlot(): void;
  /** @returns for how long the answer is to be held back, in ms */
  onHandshakeFailed(connection: ServerConnection): number;
  onReady(connection: ServerConnection): void;
  onClosed(connection: ServerConnection, error: Error | undefined): void;
}
