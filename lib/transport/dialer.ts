import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { formatAddress, unixPath } from '../core/address.js';
import { RookeryError } from '../core/errors.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { Identity } from '../wire/hello.js';
import { ClientConnection } from './client-connection.js';
import type { KeepAliveTimes } from './keep-alive.js';
import { peerLimits, type TransportLimits } from './limits.js';
import { connectTls, type Destination } from './tls/client.js';
import type { TlsCredentials } from './tls/credentials.js';
import { tlsFailure } from './tls/failure.js';

export interface DialerOptions {
  self: Identity;
  keys: KeyRing;
  codecs: readonly Codec[];
  limits: TransportLimits;
  keepAlive: KeepAliveTimes;
  wheel: TimerWheel;
  /** From the first packet to the end of the handshake, in ms. @default 3000 */
  connectTimeoutMs: number;
  /** With it everything is encrypted. */
  tls?: TlsCredentials | undefined;
}

export interface DialTarget {
  /** An address, a host name, or `unix:/path`. */
  ip: string;
  /** 0 for a Unix socket. */
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
   * @throws RookeryError `CONNECT_FAILED`, `TLS_FAILED`, `CERTIFICATE_REFUSED`, `CERTIFICATE_EXPIRED`, `HANDSHAKE_FAILED`, `WRONG_INSTANCE`,
   * `AUTHENTICATION_FAILED`, `VERSION_UNSUPPORTED`, `CLIENT_CLOSED`
   */
  dial(target: DialTarget, events: ConnectionEvents, signal?: AbortSignal): Promise<ClientConnection> {
    const isCurrent = this.options.tls?.refresh();
    return isCurrent ? isCurrent.then(() => this.open(target, events, signal)) : this.open(target, events, signal);
  }

  private open(target: DialTarget, events: ConnectionEvents, signal?: AbortSignal): Promise<ClientConnection> {
    const { connectTimeoutMs } = this.options;
    const address = formatAddress(target.ip, target.port);
    return new Promise((resolve, reject) => {
      const socket = this.connect(target);
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
          else reject(dialError(tlsError(error, socket) ?? error, target, address));
        },
      });
    });
  }

  private connect({ ip, port, service }: DialTarget): Socket {
    const path = unixPath(ip);
    const where: Destination = path === undefined ? { host: ip, port } : { path };
    return this.options.tls ? connectTls(where, service, this.options.tls) : connect(where);
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

/** What TLS, or the lack of it, has to do with a connection that did not come to be. */
function tlsError(error: RookeryError, socket: Socket): RookeryError | undefined {
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  const failure = tlsFailure(cause);
  // What this end did itself, or never got to, is no matter of TLS.
  const isOwnDoing = RookeryError.is(socket.errored) || cause?.syscall === 'connect';
  if (failure || error.reason !== 'HANDSHAKE_FAILED' || isOwnDoing) return failure;
  if (!(socket instanceof TLSSocket)) return socket.bytesRead === 0 ? mayWantTls(error) : undefined;
  const why = socket.authorized ? WITHIN_TLS : BEFORE_TLS;
  return new RookeryError('TLS_FAILED', `${error.message}; ${why}`, { cause: error });
}

const BEFORE_TLS = 'TLS was not established: what listens there may speak plaintext';
/** With TLS 1.3 a client is through before its certificate is looked at. */
const WITHIN_TLS = `TLS was established: what listens there may have refused this end's certificate`;

function mayWantTls(error: RookeryError): RookeryError {
  return new RookeryError(error.reason, `${error.message}; if it speaks TLS, set the option tls`, {
    cause: error.cause,
  });
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
