import { BlockList, isIP } from 'node:net';

import { unixPath, unixPathProblem } from '../core/address.js';
import { invalidOption } from '../core/options.js';

/**
 * Ranges that no instance may announce: a registry that can be written to would otherwise turn every caller into a probe of its own
 * host, its cloud's metadata service or its whole segment. Loopback is not among them: the first program runs there.
 */
const DENIED: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8], // unspecified: connects to this very host
  ['169.254.0.0', 16], // link-local, and the metadata service of most clouds
  ['224.0.0.0', 4], // multicast
  ['255.255.255.255', 32], // broadcast
  ['100.100.100.200', 32], // metadata service: Alibaba Cloud
  ['168.63.129.16', 32], // metadata service: Azure
  ['192.0.0.192', 32], // metadata service: Oracle Cloud
  ['::', 128], // unspecified
  ['fe80::', 10], // link-local
  ['ff00::', 8], // multicast
  ['fd00:ec2::', 32], // metadata service: AWS
  ['64:ff9b::a9fe:0', 112], // 169.254.0.0/16 behind NAT64
];

/** Which hosts may be connected to. IPv4-mapped IPv6 addresses are judged by the IPv4 rules. */
export class AddressPolicy {
  private readonly denied = deniedRanges();
  private readonly allowed: BlockList;
  private readonly folders: readonly string[];

  /**
   * @param allow addresses and CIDR ranges that are fine although they are denied by default
   * @param folders those whose Unix sockets may be connected to
   * @throws ConfigurationError `OPTION_INVALID`
   */
  constructor(
    allow: readonly string[] = [],
    path = 'discovery.allowAddresses',
    folders: readonly string[] = [],
    foldersPath = 'discovery.allowUnixSockets',
  ) {
    this.allowed = blockList(allow.map((range, index) => parseRange(range, `${path}[${index}]`)));
    this.folders = folders.map((folder, index) => parseFolder(folder, `${foldersPath}[${index}]`));
  }

  /**
   * Why a host is not to be connected to, or `undefined`. A host name passes: what it resolves to has to be asked about again, by
   * whoever resolves it.
   */
  problem(host: string): string | undefined {
    const path = unixPath(host);
    if (path !== undefined) return this.unixProblem(path);
    const family = isIP(host);
    if (family === 0) return undefined;
    if (host.includes('%')) return `${host} has a zone, which is the name of a network interface of one host only`;
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (!this.denied.check(host, type) || this.allowed.check(host, type)) return undefined;
    return `${host} is a link-local, metadata, multicast or unspecified address; where that is meant, list it in discovery.allowAddresses`;
  }

  /** Other programs of this machine listen on Unix sockets, and some do whatever they are told there. */
  private unixProblem(path: string): string | undefined {
    const isAllowed = unixPathProblem(path) === undefined && this.folders.some((folder) => path.startsWith(folder));
    return isAllowed
      ? undefined
      : `the Unix socket ${path} is in none of the folders of discovery.allowUnixSockets; where that is meant, list its folder there`;
  }
}

let denied: BlockList | undefined;

/** One for all: it takes some memory, and every client has policies. */
function deniedRanges(): BlockList {
  return (denied ??= blockList(DENIED));
}

function blockList(ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  return list;
}

function parseRange(range: unknown, path: string): [string, number] {
  const [network = '', digits] = typeof range === 'string' ? range.split('/', 2) : [];
  const bits = isIP(network) === 4 ? 32 : 128;
  const prefix = digits === undefined ? bits : /^\d{1,3}$/.test(digits) ? Number(digits) : NaN;
  if (isIP(network) !== 0 && !network.includes('%') && prefix <= bits) return [network, prefix];
  throw invalidOption(path, "an address or range such as '169.254.7.1' or 'fe80::/10'", range);
}

/** With a slash at the end, so that `/run/rook` is not taken for `/run/rookery`. */
function parseFolder(folder: unknown, path: string): string {
  const bare = typeof folder === 'string' && folder.length > 1 ? folder.replace(/\/$/, '') : '';
  if (bare !== '' && unixPathProblem(bare) === undefined) return `${bare}/`;
  throw invalidOption(path, "the absolute path of a folder such as '/run/rookery'", folder);
}
