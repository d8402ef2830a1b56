import { isLoopback } from '../core/address.js';
import type { Duration } from '../core/duration.js';
import { ConfigurationError } from '../core/errors.js';
import { durationOption, integerOption, nameOption } from '../core/options.js';
import { MAX_INSTANCES } from '../registry/instance-table.js';
import { transportLimits, type LimitOptions, type TransportLimits } from '../transport/limits.js';
import { KeyRing, type AuthOptions } from '../wire/auth.js';
import { DEFAULT_REGISTRY_PORT } from './registry-protocol.js';

export interface RegistryServerOptions {
  /** The address to listen on. @default '127.0.0.1' */
  host?: string | undefined;
  /** 0 picks a free one. @default 7665 */
  port?: number | undefined;
  /** How long an instance stays that nobody renews. 100ms to 24h. @default '15s' */
  ttl?: Duration | undefined;
  /** Instances it holds before it refuses more with `REGISTRY_FULL`. @default 10_000 */
  maxInstances?: number | undefined;
  /** Secrets that clients must know one of. Needed beyond loopback, where whoever can register receives other people's calls. */
  auth?: AuthOptions | undefined;
  /** Listens beyond loopback without a secret, with a warning. @default false */
  insecure?: boolean | undefined;
  /** Bounds of connections and calls; those of `REGISTRY_LIMITS` are wider than a service's, as everybody is connected here. */
  limits?: LimitOptions | undefined;
}

export const REGISTRY_SERVER_DEFAULTS = {
  host: '127.0.0.1',
  port: DEFAULT_REGISTRY_PORT,
  ttlMs: 15_000,
  maxInstances: MAX_INSTANCES,
} as const;

/** A watch is a call in flight as long as it lasts. */
export const REGISTRY_LIMITS = {
  maxConnections: 16_384,
  maxUnauthenticated: 1_024,
  maxInFlightPerConnection: 4_096,
  maxInFlight: 262_144,
} as const satisfies LimitOptions;

export interface RegistryServerSettings {
  readonly host: string;
  readonly port: number;
  readonly ttlMs: number;
  readonly maxInstances: number;
  readonly keys: KeyRing;
  /** Whether it listens where strangers may come by. */
  readonly isExposed: boolean;
  readonly limits: TransportLimits;
}

/** @throws ConfigurationError `OPTION_INVALID`, `INSECURE_BIND` */
export function registryServerSettings(options: RegistryServerOptions = {}): RegistryServerSettings {
  const defaults = REGISTRY_SERVER_DEFAULTS;
  const host = nameOption('registry.host', options.host ?? defaults.host);
  const keys = new KeyRing(options.auth);
  const isExposed = !isLoopback(host) && keys.isEmpty;
  if (isExposed && options.insecure !== true) throw insecureBind(host);
  return {
    host,
    port: integerOption('registry.port', options.port, defaults.port, { max: 65_535 }),
    ttlMs: ttlOption('registry.ttl', options.ttl),
    maxInstances: integerOption('registry.maxInstances', options.maxInstances, defaults.maxInstances, { min: 1 }),
    keys,
    isExposed,
    limits: registryLimits(options.limits),
  };
}

export function ttlOption(path: string, ttl: Duration | undefined): number {
  return durationOption(path, ttl, REGISTRY_SERVER_DEFAULTS.ttlMs, { min: 100, max: 86_400_000 });
}

export function registryLimits(options: LimitOptions = {}): TransportLimits {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return transportLimits({ ...REGISTRY_LIMITS, ...Object.fromEntries(given) });
}

function insecureBind(host: string): ConfigurationError {
  return new ConfigurationError(
    'INSECURE_BIND',
    `the registry would listen on ${host} for everybody who can reach it; give it auth.secrets, bind it to 127.0.0.1, or set insecure: true`,
  );
}
