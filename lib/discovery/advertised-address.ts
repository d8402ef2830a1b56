import { isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';

import { parseAddress, unixPath, unixPathProblem, type Address } from '../core/address.js';
import { ConfigurationError } from '../core/errors.js';
import { invalidOption } from '../core/options.js';
import { firstAddress, type Interfaces } from './interface-address.js';

export interface AdvertisedAddressInit {
  /** `'10.0.0.7'`, `'orders.internal:4000'`, `'[fd00::7]:4000'`, `'unix:/run/orders.sock'`, or host and port. */
  readonly advertise?: string | { readonly host: string; readonly port?: number | undefined } | undefined;
  /** The host that was bound. */
  readonly bindHost: string;
  /** The port that was bound: announced where no other is given. */
  readonly port: number;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** @default os.networkInterfaces() */
  readonly interfaces?: Interfaces | undefined;
}

type Advertise = NonNullable<AdvertisedAddressInit['advertise']>;

const WAY_OUT = `set the option 'advertise' or the variable ROOKERY_ADVERTISE to an address that callers reach, such as '10.0.0.7' or '10.0.0.7:4000'`;

/**
 * The address to announce, by the first of these that says something:
 *
 * 1. the option `advertise`;
 * 2. the variable `ROOKERY_ADVERTISE`, written like the option;
 * 3. the bind host, where it is a specific one;
 * 4. the variable `POD_IP` (Kubernetes: `valueFrom: { fieldRef: { fieldPath: status.podIP } }`), where the socket listens on its family;
 * 5. the network interfaces: IPv4 before IPv6 (and IPv6 only if bound to `::`), real ones before bridges, tunnels and the like, then by
 *    name (`eth0`, `eth1`, `eth10`), then in the interface's own order; never loopback or link-local;
 * 6. loopback, which only this machine reaches.
 *
 * In a container whose ports are published, no interface has the address callers use: say host and port with `advertise`. On a host with
 * several networks, step 5 picks by name, which may be the wrong one: bind to the right address, or say it with `advertise`.
 *
 * @throws ConfigurationError `OPTION_INVALID` for an address that nobody can call
 */
export function advertisedAddress(init: AdvertisedAddressInit): Address {
  const { bindHost, port, env = process.env } = init;
  if (init.advertise !== undefined) return stated('advertise', init.advertise, port);
  const fromEnv = env['ROOKERY_ADVERTISE'];
  if (fromEnv !== undefined && fromEnv !== '') return stated('ROOKERY_ADVERTISE', fromEnv, port);
  if (bindHost.startsWith('/')) {
    throw new ConfigurationError('OPTION_INVALID', `the Unix socket ${bindHost} cannot be announced; ${WAY_OUT}`);
  }
  if (bindHost.includes('%')) {
    throw new ConfigurationError('OPTION_INVALID', `${bindHost} has a zone, which other hosts cannot use; ${WAY_OUT}`);
  }
  if (!isUnspecified(bindHost)) return { host: bindHost, port };
  return { host: podAddress(bindHost, env) ?? interfaceAddress(bindHost, init.interfaces) ?? '127.0.0.1', port };
}

function stated(path: string, value: Advertise, boundPort: number): Address {
  const given = typeof value === 'string' ? parseStated(value) : value;
  const { host = '', port = boundPort } = given ?? {};
  if (isUnixSocket(host)) return { host, port: 0 };
  const isCallable = typeof host === 'string' && (isNumeric(host) || NAME.test(host)) && !isUnspecified(host);
  if (isCallable && Number.isInteger(port) && port >= 1 && port <= 65_535) return { host, port };
  throw invalidOption(
    path,
    "an address that callers reach, such as '10.0.0.7' or '10.0.0.7:4000'",
    typeof value === 'string' ? value : JSON.stringify(value),
  );
}

function isUnixSocket(host: unknown): boolean {
  const path = typeof host === 'string' ? unixPath(host) : undefined;
  return path !== undefined && unixPathProblem(path) === undefined;
}

/** A zone is the name of an interface of one host: others cannot use it. */
function isNumeric(host: string): boolean {
  return isIP(host) !== 0 && !host.includes('%');
}

const NAME = /^[A-Za-z0-9_.-]{1,253}$/;

function parseStated(text: string): { host: string; port?: number } | undefined {
  if (isIP(text) !== 0) return { host: text };
  if (text.includes(':')) return text.startsWith(':') ? undefined : parseAddress(text);
  return { host: text };
}

function isUnspecified(host: string): boolean {
  return host === '' || host === '*' || host === '0.0.0.0' || /^[0:]*::[0:]*$/.test(host);
}

function podAddress(bindHost: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const address = env['POD_IP'] ?? '';
  const isListenedTo = isIPv4(address) || (isIP(address) === 6 && !isIPv4(bindHost));
  return isListenedTo ? address : undefined;
}

/** A socket bound to `::` takes IPv4, too; one bound to `0.0.0.0` takes nothing else. */
function interfaceAddress(bindHost: string, interfaces: Interfaces = networkInterfaces()): string | undefined {
  return firstAddress(interfaces, 'IPv4') ?? (isIPv4(bindHost) ? undefined : firstAddress(interfaces, 'IPv6'));
}
