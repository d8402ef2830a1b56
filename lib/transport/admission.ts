import { isIPv6 } from 'node:net';

import { RookeryError } from '../core/errors.js';
import type { TransportLimits } from './limits.js';

type AdmissionLimits = Pick<TransportLimits, 'maxConnections' | 'maxConnectionsPerAddress' | 'maxUnauthenticated'>;

/** What may be turned out to make place. */
export interface Guest {
  destroy(error?: Error): void;
}

/** Connections from one address. */
interface Household {
  readonly address: string;
  count: number;
  /** Those that have not said who they are, the oldest first. */
  readonly greeting: Set<Guest>;
}

/**
 * Who may connect: counted before a byte is read, in total, per address, and as long as nobody knows who it is. Where too many are unknown
 * the oldest of them makes place for the newest, so that those who connect and say nothing do not lock out those who would.
 */
export class Admission<G extends Guest> {
  private readonly guests = new Map<G, Household>();
  private readonly households = new Map<string, Household>();
  private readonly greeting = new Set<Guest>();
  private readonly maxGreetingPerAddress: number;

  constructor(private readonly limits: AdmissionLimits) {
    this.maxGreetingPerAddress = Math.max(1, Math.floor(limits.maxUnauthenticated / 2));
  }

  /** Everybody who is in. */
  get size(): number {
    return this.guests.size;
  }

  /** Why nobody more may come in from an address, if so. */
  problem(address: string): RookeryError | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.limits;
    if (this.guests.size >= maxConnections)
      return tooMany(`${maxConnections} clients are connected (limits.maxConnections)`);
    if ((this.households.get(address)?.count ?? 0) >= maxConnectionsPerAddress)
      return tooMany(
        `${maxConnectionsPerAddress} clients are connected from ${address} (limits.maxConnectionsPerAddress)`,
      );
    return undefined;
  }

  /** Takes somebody in; needs that there is no `problem`. */
  enter(guest: G, address: string): void {
    const household = this.householdOf(address);
    this.makePlace(household);
    household.count++;
    household.greeting.add(guest);
    this.greeting.add(guest);
    this.guests.set(guest, household);
  }

  /** Where somebody who is in came from. */
  addressOf(guest: G): string {
    return this.guests.get(guest)?.address ?? '';
  }

  /** It has said who it is. */
  greeted(guest: G): void {
    this.guests.get(guest)?.greeting.delete(guest);
    this.greeting.delete(guest);
  }

  left(guest: G): void {
    const household = this.guests.get(guest);
    if (household === undefined) return;
    this.greeted(guest);
    this.guests.delete(guest);
    if (--household.count === 0) this.households.delete(household.address);
  }

  private householdOf(address: string): Household {
    let household = this.households.get(address);
    if (household === undefined) {
      household = { address, count: 0, greeting: new Set() };
      this.households.set(address, household);
    }
    return household;
  }

  private makePlace({ greeting, address }: Household): void {
    const { maxUnauthenticated } = this.limits;
    if (greeting.size >= this.maxGreetingPerAddress)
      this.turnOut(greeting, `${greeting.size} connections from ${address} have not said who they are`);
    if (this.greeting.size >= maxUnauthenticated)
      this.turnOut(this.greeting, `${maxUnauthenticated} connections have not said who they are`);
  }

  private turnOut(from: Set<Guest>, why: string): void {
    const [oldest] = from as Set<G>;
    this.greeted(oldest!);
    oldest!.destroy(tooMany(`${why} (limits.maxUnauthenticated), and this one is the oldest`));
  }
}

/** What counts as one address: an IPv4 address, also where it is written as IPv6, or the IPv6 network of 64 bits that one host usually has. */
export function addressGroup(ip: string | undefined): string {
  if (ip === undefined) return 'unix';
  if (!isIPv6(ip)) return ip;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  return mapped ? mapped[1]! : `${network64(ip)}::/64`;
}

function network64(ip: string): string {
  const [head = '', tail] = ip.split('%')[0]!.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':');
}

function tooMany(why: string): RookeryError {
  return new RookeryError('TOO_MANY_CONNECTIONS', why);
}
