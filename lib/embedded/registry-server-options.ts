import { resolve } from 'node:path';

import { isLoopback } from '../core/address.js';
import type { Duration } from '../core/duration.js';
import { ConfigurationError } from '../core/errors.js';
import { durationOption, integerOption, invalidOption, nameOption } from '../core/options.js';
import { MAX_INSTANCES } from '../registry/instance-table.js';
import { hostOption } from '../transport/listening.js';
import { transportLimits, type LimitOptions, type TransportLimits } from '../transport/limits.js';
import { tlsCredentials, type TlsCredentials } from '../transport/tls/credentials.js';
import type { TlsOptions } from '../transport/tls/options.js';
import { KeyRing, type AuthOptions } from '../wire/auth.js';
import { RegistryPermissions, type RegistryPermission } from './registry-permissions.js';
import { DEFAULT_REGISTRY_PORT } from './registry-protocol.js';

export interface RegistryServerOptions {
  /** The address to listen on, or a Unix socket: `'unix:/run/registry.sock'`. @default '127.0.0.1' */
  host?: string | undefined;
  /** 0 picks a free one. @default 7665 */
  port?: number | undefined;
  /** How long an instance stays that nobody renews. 100ms to 24h. @default '15s' */
  ttl?: Duration | undefined;
  /** Instances it holds before it refuses more with `REGISTRY_FULL`. @default 10_000 */
  maxInstances?: number | undefined;
  /** Instances of one service it holds before it refuses more. @default as many as maxInstances */
  maxInstancesPerService?: number | undefined;
  /**
   * A folder in which registrations outlast the process, in its subfolder `registry`; one registry at a time. It needs a local disk, and
   * about three times the bytes of all records, at least 16 MiB.
   *
   * @default none: everything is in memory
   */
  dataDir?: string | undefined;
  /**
   * Who may register what, and who may read what. With them everything else is denied, also to those who know one of `auth.secrets`. The
   * secrets they name are accepted as those of `auth` are.
   *
   * @default none: whoever may connect may do everything
   */
  permissions?: readonly RegistryPermission[] | undefined;
  /** Secrets that clients must know one of. Needed beyond loopback, where whoever can register receives other people's calls. */
  auth?: AuthOptions | undefined;
  /** Encrypts everything. The certificate names `rookery.registry`, unless `tls.name` says otherwise. */
  tls?: TlsOptions | TlsCredentials | undefined;
  /** Listens beyond loopback without `tls` and without a secret, with a warning. @default false */
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
  maxConnectionsPerAddress: 8_192,
  maxUnauthenticated: 8_192,
  maxStreamsPerConnection: 4_096,
  maxInFlightPerConnection: 4_096,
  maxInFlight: 262_144,
} as const satisfies LimitOptions;

export interface RegistryServerSettings {
  readonly host: string;
  readonly port: number;
  readonly ttlMs: number;
  readonly maxInstances: number;
  readonly maxInstancesPerService: number;
  readonly dataDir: string | undefined;
  readonly permissions: RegistryPermissions | undefined;
  readonly keys: KeyRing;
  readonly tls: TlsCredentials | undefined;
  /** Whether strangers may come in. */
  readonly isExposed: boolean;
  readonly limits: TransportLimits;
}

/** @throws ConfigurationError `OPTION_INVALID`, `INSECURE_BIND` */
export function registryServerSettings(options: RegistryServerOptions = {}): RegistryServerSettings {
  const defaults = REGISTRY_SERVER_DEFAULTS;
  const host = hostOption('registry.host', options.host ?? defaults.host);
  const tls = options.tls && tlsCredentials(options.tls);
  const keys = allKeys(options);
  const maxInstances = atLeastOne('maxInstances', options.maxInstances, defaults.maxInstances);
  const isMutual = tls?.settings.mutual === true;
  const isExposed = !isLoopback(host) && keys.isEmpty && !isMutual;
  if (isExposed && tls === undefined && options.insecure !== true) throw insecureBind(host);
  return {
    host,
    port: integerOption('registry.port', options.port, defaults.port, { max: 65_535 }),
    ttlMs: ttlOption('registry.ttl', options.ttl),
    maxInstances,
    maxInstancesPerService: atLeastOne('maxInstancesPerService', options.maxInstancesPerService, maxInstances),
    dataDir: options.dataDir === undefined ? undefined : resolve(nameOption('registry.dataDir', options.dataDir)),
    permissions: permissionsOf(options, isMutual),
    keys,
    tls,
    isExposed,
    limits: registryLimits(options.limits),
  };
}

function atLeastOne(name: string, value: number | undefined, fallback: number): number {
  return integerOption(`registry.${name}`, value, fallback, { min: 1 });
}

/** Those of `auth` and of every permission: who knows any of them may connect. */
function allKeys({ auth, permissions = [] }: RegistryServerOptions): KeyRing {
  if (permissions.length === 0) return new KeyRing(auth);
  const sources = [auth, ...permissions].map((of) => of?.secrets ?? []);
  const secrets = () => sources.flatMap((source) => (typeof source === 'function' ? source() : source));
  const isNone = secrets().length === 0;
  return new KeyRing(isNone ? undefined : { secrets }, MAX_SECRETS_EACH * sources.length);
}

const MAX_SECRETS_EACH = 8;

/** @throws ConfigurationError `OPTION_INVALID` */
function permissionsOf({ permissions }: RegistryServerOptions, isMutual: boolean): RegistryPermissions | undefined {
  if (permissions === undefined) return undefined;
  const checked = new RegistryPermissions(permissions);
  const index = permissions.findIndex(({ certificate }) => certificate !== undefined);
  if (index >= 0 && !isMutual)
    throw invalidOption(`registry.permissions[${index}].certificate`, 'tls.ca, by which clients are certified', 'none');
  return checked;
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
    `the registry would listen on ${host} for everybody who can reach it; give it tls or auth.secrets, bind it to 127.0.0.1, or set insecure: true`,
  );
}
