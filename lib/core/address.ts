import { BlockList, isIP, isIPv6 } from 'node:net';
import { posix } from 'node:path';

/** `10.0.0.1:4000`, `[::1]:4000`, `unix:/run/orders.sock`: the form in which addresses are shown, compared and parsed. */
export function formatAddress(host: string, port: number): string {
  if (host.startsWith('unix:')) return host;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A host and a port, or a host `unix:/path` and the port 0. */
export interface Address {
  host: string;
  port: number;
}

/** Parses `host:port`, `[v6]:port`, `:port`, or `unix:/path`; `undefined` where it is none. */
export function parseAddress(text: string): Address | undefined {
  const path = unixPath(text);
  if (path !== undefined) return unixPathProblem(path) === undefined ? { host: text, port: 0 } : undefined;
  const match = /^(?:\[([0-9a-fA-F:.%a-z]{2,64})\]|([^\s:[\]/]{0,253})):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined;
  return { host: v6 ?? (name === '' ? '127.0.0.1' : name!), port };
}

/** The path of a host that is a Unix socket: `/run/orders.sock` of `unix:/run/orders.sock`. */
export function unixPath(host: string): string | undefined {
  return host.startsWith('unix:') ? host.slice(5) : undefined;
}

/** What the kernel takes, less the NUL at the end: Linux 108 bytes, macOS and the BSDs 104. */
export const MAX_UNIX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/** Why no socket can be there, or `undefined`. What is written otherwise than it resolves (`..`, `//`) is refused, so that folders can be compared. */
export function unixPathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'expected an absolute path after "unix:"';
  if (UNFIT.test(path)) return 'control characters, and half characters, are not allowed in the path of a socket';
  if (path.endsWith('/') || posix.normalize(path) !== path) return 'expected a path without "..", "." and "//"';
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_UNIX_PATH_BYTES) return undefined;
  return `the path of a socket has at most ${MAX_UNIX_PATH_BYTES} bytes, got ${bytes}; choose a shorter folder, such as /run/rookery`;
}

const UNFIT = /[\u0000-\u001f\u007f]|\p{Surrogate}/u;

/** True for addresses that only this machine reaches: 127.0.0.0/8, ::1, `localhost`, Unix sockets. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost' || host.startsWith('/') || host.startsWith('unix:');
  return LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Also finds what is written otherwise: `0:0:0:0:0:0:0:1`, `::ffff:127.0.0.1`; and takes no name like `127.example.org` for an address. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
