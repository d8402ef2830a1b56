import { BlockList, isIP, isIPv6 } from 'node:net';

/** `10.0.0.1:4000`, `[::1]:4000`: the form in which addresses are shown, compared and parsed. */
export function formatAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

export interface Address {
  host: string;
  port: number;
}

/** Parses `host:port`, `[v6]:port`, or `:port`; `undefined` where it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%a-z]{2,64})\]|([^\s:[\]/]{0,253})):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined;
  return { host: v6 ?? (name === '' ? '127.0.0.1' : name!), port };
}

/** True for addresses that only this machine reaches: 127.0.0.0/8, ::1, `localhost`, Unix socket paths. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost' || host.startsWith('/');
  return LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Also finds what is written otherwise: `0:0:0:0:0:0:0:1`, `::ffff:127.0.0.1`; and takes no name like `127.example.org` for an address. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
