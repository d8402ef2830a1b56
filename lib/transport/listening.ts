import { chmodSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';

import { formatAddress, unixPath, unixPathProblem } from '../core/address.js';
import { ConfigurationError, RookeryError } from '../core/errors.js';
import { invalidOption, nameOption } from '../core/options.js';
import { removeStaleSocket } from './stale-socket.js';

/** Connections the kernel keeps for this process until it takes them; with Node's 511, a burst makes honest clients wait for TCP to try again. The kernel has a limit of its own. */
const BACKLOG = 4_096;

/** Who may connect to a Unix socket: the user this process runs as. */
export const UNIX_SOCKET_MODE = 0o600;

/**
 * Starts to listen, on a port or a Unix socket. The file of a socket is this user's alone (0600), replaces one that nobody listens on, and
 * goes away when the server closes.
 *
 * @param host an address, or `unix:/path`
 * @returns where; a Unix socket has the address `unix:/path`, the port 0 and the family `unix`
 * @throws RookeryError `ADDRESS_IN_USE`, `LISTEN_FAILED`, `OPTION_INVALID`
 */
export async function listenOn(server: Server, host: string, port: number): Promise<AddressInfo> {
  const path = unixPath(host);
  if (path !== undefined) await makeWay(path, hostOption('host', host));
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(cause, host, port));
    const onListening = () => {
      server.off('error', onError);
      // What can fail from here on is one accept; the connections that stand must not fall with it.
      server.on('error', () => undefined);
      resolve(boundAddress(server)!);
    };
    server.once('error', onError);
    if (path === undefined) server.listen({ host, port, backlog: BACKLOG }, onListening);
    else listenOnPath(server, path, onListening);
  });
}

/** An address to listen on: an IP, a host name, or `unix:/path`. @throws ConfigurationError `OPTION_INVALID` */
export function hostOption(path: string, value: unknown): string {
  const host = nameOption(path, value);
  if (host.startsWith('/')) throw invalidOption(path, `an address, or 'unix:${host}' for a Unix socket`, host);
  const problem = unixPath(host) === undefined ? undefined : unixPathProblem(unixPath(host)!);
  if (problem !== undefined) throw new ConfigurationError('OPTION_INVALID', `${path}: ${problem}`);
  return host;
}

/** Where a server listens, once it does. */
export function boundAddress(server: Server): AddressInfo | undefined {
  const address = server.address();
  return typeof address === 'string' ? { address: `unix:${address}`, port: 0, family: 'unix' } : (address ?? undefined);
}

/** `ip:port` of a peer, an IPv4 address as such also where it came in over IPv6; `unix` for a Unix socket, whose peers have no address. */
export function peerAddress({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined) return 'unix';
  return formatAddress(remoteAddress.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ''), remotePort ?? 0);
}

async function makeWay(path: string, host: string): Promise<void> {
  await removeStaleSocket(path).catch((cause: Error) => {
    throw listenError(cause, host, 0);
  });
}

/** Binding makes the file, with the modes that the mask leaves: nobody else can come in before they are right. */
function listenOnPath(server: Server, path: string, onListening: () => void): void {
  const restoreMask = narrowMask();
  try {
    server.listen({ path, backlog: BACKLOG }, () => {
      try {
        // Where a mask was not to be had, or another process bound the socket.
        chmodSync(path, UNIX_SOCKET_MODE);
        onListening();
      } catch (error) {
        server.close();
        server.emit('error', error);
      }
    });
  } finally {
    restoreMask();
  }
}

/** A worker thread may not set it. */
function narrowMask(): () => void {
  try {
    const before = process.umask(0o777 & ~UNIX_SOCKET_MODE);
    return () => void process.umask(before);
  } catch {
    return () => undefined;
  }
}

function listenError(cause: Error & { code?: string }, host: string, port: number): RookeryError {
  const where = formatAddress(host, port);
  const isPath = unixPath(host) !== undefined;
  if (cause.code === 'EADDRINUSE') {
    const wayOut = isPath
      ? 'the path is in use; choose another'
      : 'the port is in use; choose another, or port 0 for a free one';
    return new RookeryError('ADDRESS_IN_USE', `cannot listen on ${where}: ${wayOut}`, { cause });
  }
  const hint = isPath ? 'check that the folder is there and can be written to' : 'check the host option';
  return new RookeryError('LISTEN_FAILED', `cannot listen on ${where}: ${cause.message}; ${hint}`, { cause });
}
