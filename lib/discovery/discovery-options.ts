import type { Duration } from '../core/duration.js';
import { durationOption, integerOption } from '../core/options.js';
import { AddressPolicy } from './address-policy.js';

/** How services are followed. Few need to touch these. @publicApi */
export interface DiscoveryOptions {
  /** Instances of one service that are used; more are ignored and reported. @default 5000 */
  maxInstances?: number | undefined;
  /** Addresses and CIDR ranges to use although they are link-local, metadata, multicast or unspecified. @default [] */
  allowAddresses?: readonly string[] | undefined;
  /** Folders whose Unix sockets may be connected to where the registry names them, with all below. @default [] */
  allowUnixSockets?: readonly string[] | undefined;
  /** How long an instance that vanished from a shrunken list stays in use while it answers probes. 0 to 7d. @default '24h' */
  holdFor?: Duration | undefined;
  /** Probes of one service that run at the same time. 1 to 256. @default 16 */
  maxProbes?: number | undefined;
  /** How long a registry may take for its first answer before the last good list on disk is used. 0 to 60s. @default '2s' */
  registryPatience?: Duration | undefined;
}

/** The options in units of the code. */
export interface DiscoverySettings {
  readonly maxInstances: number;
  readonly addresses: AddressPolicy;
  readonly holdForMs: number;
  readonly maxProbes: number;
  readonly registryPatienceMs: number;
}

export const DISCOVERY_DEFAULTS = {
  maxInstances: 5_000,
  holdForMs: 24 * 3_600_000,
  maxProbes: 16,
  registryPatienceMs: 2_000,
} as const;

/** @throws ConfigurationError `OPTION_INVALID` naming the path */
export function discoverySettings(options: DiscoveryOptions = {}, path = 'discovery'): DiscoverySettings {
  const { maxInstances, holdForMs, maxProbes, registryPatienceMs } = DISCOVERY_DEFAULTS;
  const { allowAddresses, allowUnixSockets } = options;
  return {
    maxInstances: integerOption(`${path}.maxInstances`, options.maxInstances, maxInstances, { min: 1, max: 100_000 }),
    addresses: new AddressPolicy(
      allowAddresses,
      `${path}.allowAddresses`,
      allowUnixSockets,
      `${path}.allowUnixSockets`,
    ),
    holdForMs: durationOption(`${path}.holdFor`, options.holdFor, holdForMs, { max: 7 * 86_400_000 }),
    maxProbes: integerOption(`${path}.maxProbes`, options.maxProbes, maxProbes, { min: 1, max: 256 }),
    registryPatienceMs: durationOption(`${path}.registryPatience`, options.registryPatience, registryPatienceMs, {
      max: 60_000,
    }),
  };
}
