import { connect, type Socket } from 'node:net';

import { formatAddress } from '../core/address.js';
import { RookeryError } from '../core/errors.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { Identity } from '../wire/hello.js';
import { ClientConnection } from './client-connection.js';
import type { KeepAliveTimes } from './keep-alive.js';
import { peerLimits, type TransportLimits } from './limits.js';

export interface DialerOptions {
  self: Identity;
  keys: KeyRing;
  codecs: readonly Codec[];
  limits: TransportLimits;
  keepAlive: KeepAliveTimes;
  wheel: TimerWheel;
  /** From the first packet to the end of the handshake, in ms. @default 3000 */
  connectTimeoutMs: number;
}

export interface DialTarget {
  ip: string;
  port: number;
  service: string;
  /** Whose hello must answer; any instance of the service where it is absent. */
  instanceId?: string | undefined;
}

/** What the owner of a connection hears after it was made. */
export interface ConnectionEvents {
  onDraining(connection: ClientConnection): void;
  onClosed(connection: ClientConnection, error: RookeryError): void;
}

/** Opens connections: socket, handshake, and the time both may take. */
export class Dialer {
  constructor(readonly options: DialerOptions) {}

  /**
   * @param signal gives the attempt up; without effect on a connection that stands
   * @throws RookeryError `CONNECT_FAILED`, `HANDSHAKE_FAILED`, `WRONG_INSTANCE`, `AUTHENTICATION_FAILED`, `VERSION_UNSUPPORTED`, `CLIENT_CLOSED`
   */
  dial(target: DialTarget, events: ConnectionEvents, signal?: AbortSignal): Promise<ClientConnection> {
    const { connectTimeoutMs } = this.options;
    const address = formatAddress(target.ip, target.port);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: target.ip, port: target.port });
      const timer = setTimeout(() => socket.destroy(timedOut(socket, connectTimeoutMs)), connectTimeoutMs);
      const giveUp = () => void socket.destroy(new RookeryError('CLIENT_CLOSED', 'the attempt was given up'));
      if (signal?.aborted) giveUp();
      else signal?.addEventListener('abort', giveUp, { once: true });
      let isReady = false;
      const connection = new ClientConnection(socket, this.connectionOptions(target), {
        onReady: () => {
          isReady = true;
          clearTimeout(timer);
          signal?.removeEventListener('abort', giveUp);
          resolve(connection);
        },
        onDraining: () => {
          if (isReady) events.onDraining(connection);
        },
        onClosed: (_, error) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', giveUp);
          error.service ??= target.service;
          error.endpoint ??= address;
          if (isReady) events.onClosed(connection, error);
          else reject(dialError(error, target, address));
        },
      });
    });
  }

  private connectionOptions(target: DialTarget) {
    const { self, keys, codecs, limits, keepAlive, wheel } = this.options;
    return {
      self,
      keys,
      codecs,
      keepAlive,
      wheel,
      expected: { service: target.service, instance: target.instanceId },
      transportLimits: limits,
      limits: peerLimits(limits),
    };
  }
}

function timedOut(socket: Socket, timeoutMs: number): RookeryError {
  return socket.connecting
    ? new RookeryError('CONNECT_FAILED', `nothing answered within ${timeoutMs} ms`)
    : new RookeryError('HANDSHAKE_FAILED', `connected, but the handshake took longer than ${timeoutMs} ms`);
}

/** Names the address and the service in whatever kept a connection from coming to be; none of it reached a handler. */
function dialError(error: RookeryError, target: DialTarget, address: string): RookeryError {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  const isRefused = error.reason === 'HANDSHAKE_FAILED' && cause?.syscall === 'connect';
  const reason = isRefused
    ? 'CONNECT_FAILED'
    : error.reason === 'CONNECTION_LOST' || error.reason === 'FRAME_MALFORMED'
      ? 'HANDSHAKE_FAILED'
      : error.reason;
  const why = isRefused ? cause.message : error.message;
  return new RookeryError(reason, `cannot connect to "${target.service}" at ${address}: ${why}`, {
    outcome: 'never-sent',
    service: target.service,
    endpoint: address,
    cause: error.cause ?? error,
  });
}
