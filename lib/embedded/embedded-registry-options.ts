import { parseAddress, unixPath, type Address } from '../core/address.js';
import type { Clock } from '../core/clock.js';
import { systemClock } from '../core/clock.js';
import type { Duration } from '../core/duration.js';
import { durationOption, integerOption, invalidOption } from '../core/options.js';
import { systemRng, type Rng } from '../core/random.js';
import type { TransportLimits } from '../transport/limits.js';
import { tlsCredentials, type TlsCredentials } from '../transport/tls/credentials.js';
import { KeyRing } from '../wire/auth.js';
import { DEFAULT_REGISTRY_PORT } from './registry-protocol.js';
import { registryLimits, ttlOption, type RegistryServerOptions } from './registry-server-options.js';

/** Names the registry for processes that are not told in code. */
export const REGISTRY_ENV = 'ROOKERY_REGISTRY';

export interface EmbeddedRegistryOptions extends Pick<
  RegistryServerOptions,
  'auth' | 'tls' | 'ttl' | 'maxInstances' | 'limits'
> {
  /**
   * Where the registry is: `host:port`, `[v6]:port`, `host` for the default port, or `unix:/path`; several are tried in their order. With it this
   * process never hosts a registry itself.
   *
   * @default the environment's ROOKERY_REGISTRY (several separated by commas), else host or join on 127.0.0.1
   */
  address?: string | readonly string[] | undefined;
  /** The loopback port on which this machine's processes meet when there is no address. 1 to 65535. @default 7665 */
  port?: number | undefined;
  /**
   * Over which everybody's return to a registry that lost its data is spread; renewals meanwhile wait for it. With 500 instances the default
   * makes about 50 registrations a second. 0 to 5m.
   *
   * @default '10s'; 250 ms without an address, where only this machine's processes come back
   */
  reregisterJitter?: Duration | undefined;
  /** How long a call to the registry may take. 100ms to 60s. @default '5s' */
  callTimeout?: Duration | undefined;
  /** How long a connection may take to come up. 100ms to 60s. @default '3s' */
  connectTimeout?: Duration | undefined;
  /** @default the system's */
  clock?: Clock | undefined;
  /** @default Math.random */
  rng?: Rng | undefined;
}

export const EMBEDDED_REGISTRY_DEFAULTS = {
  port: DEFAULT_REGISTRY_PORT,
  reregisterJitterMs: 10_000,
  localReregisterJitterMs: 250,
  callTimeoutMs: 5_000,
  connectTimeoutMs: 3_000,
} as const;

export interface EmbeddedRegistrySettings {
  /** Empty for host or join. */
  readonly addresses: readonly Address[];
  readonly port: number;
  readonly ttlMs: number;
  readonly reregisterJitterMs: number;
  readonly callTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly keys: KeyRing;
  readonly tls: TlsCredentials | undefined;
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
}

/** @throws ConfigurationError `OPTION_INVALID` naming the path */
export function embeddedRegistrySettings(
  options: EmbeddedRegistryOptions,
  env: Readonly<Record<string, string | undefined>>,
): EmbeddedRegistrySettings {
  const addresses = addressesOf(options.address, env[REGISTRY_ENV]);
  const { port, callTimeoutMs, connectTimeoutMs, ...jitter } = EMBEDDED_REGISTRY_DEFAULTS;
  const jitterMs = addresses.length > 0 ? jitter.reregisterJitterMs : jitter.localReregisterJitterMs;
  const time = (name: 'callTimeout' | 'connectTimeout', defaultMs: number) =>
    durationOption(`embeddedRegistry.${name}`, options[name], defaultMs, { min: 100, max: 60_000 });
  return {
    addresses,
    port: integerOption('embeddedRegistry.port', options.port, port, { min: 1, max: 65_535 }),
    ttlMs: ttlOption('embeddedRegistry.ttl', options.ttl),
    reregisterJitterMs: durationOption('embeddedRegistry.reregisterJitter', options.reregisterJitter, jitterMs, {
      max: 300_000,
    }),
    callTimeoutMs: time('callTimeout', callTimeoutMs),
    connectTimeoutMs: time('connectTimeout', connectTimeoutMs),
    keys: new KeyRing(options.auth),
    tls: options.tls && tlsCredentials(options.tls),
    limits: registryLimits(options.limits),
    clock: options.clock ?? systemClock,
    rng: options.rng ?? systemRng,
  };
}

function addressesOf(address: EmbeddedRegistryOptions['address'], fromEnv = ''): Address[] {
  if (address === undefined) return addressList(REGISTRY_ENV, fromEnv.split(',').filter(isNotBlank));
  const list: unknown[] = Array.isArray(address) ? address : [address];
  if (list.length === 0) throw invalidOption('embeddedRegistry.address', 'at least one address', address);
  return addressList('embeddedRegistry.address', list);
}

function addressList(path: string, list: readonly unknown[]): Address[] {
  return list.map((entry) => {
    const text = typeof entry === 'string' ? entry.trim() : '';
    const address = parseAddress(text) ?? (text === '' ? undefined : parseAddress(`${text}:${DEFAULT_REGISTRY_PORT}`));
    if (address && (address.port > 0 || unixPath(address.host) !== undefined)) return address;
    throw invalidOption(path, `'host:port', '[v6]:port', 'host' or 'unix:/path'`, entry);
  });
}

function isNotBlank(text: string): boolean {
  return text.trim() !== '';
}
