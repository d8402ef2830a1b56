import { randomBytes } from 'node:crypto';

import type { BalancerFactory } from '../balancing/balancer.js';
import { defaultBalancer } from '../balancing/default-balancer.js';
import type { Duration } from '../core/duration.js';
import { ConfigurationError } from '../core/errors.js';
import { INSTANCE_DEFAULTS, instanceProblem, ZONE, type ServiceInstance } from '../core/instance.js';
import { durationOption, integerOption, invalidOption, nameOption, numberOption } from '../core/options.js';
import { discoverySettings, type DiscoveryOptions } from '../discovery/discovery-options.js';
import { registrarSettings, type RegistrarOptions } from '../discovery/registrar-timing.js';
import type { InstanceQuery, ServiceRegistry } from '../registry/service-registry.js';
import { RETRY_BUDGET_DEFAULTS } from '../resilience/retry-budget.js';
import { RETRY_DEFAULTS, type RetryOptions } from '../resilience/retry.js';
import { KEEP_ALIVE_TIMES } from '../transport/keep-alive.js';
import { hostOption } from '../transport/listening.js';
import { transportLimits, type LimitOptions, type TransportLimits } from '../transport/limits.js';
import { tlsCredentials, type TlsCredentials } from '../transport/tls/credentials.js';
import type { TlsOptions } from '../transport/tls/options.js';
import { KeyRing, type AuthOptions } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import { standardCodecs } from '../wire/standard-codecs.js';

/** What both ends of a process share. */
interface CommonOptions {
  /** Where instances are announced and followed. @default embeddedRegistry() */
  registry?: ServiceRegistry | undefined;
  /** Where this process runs; callers prefer instances of their own zone. */
  zone?: string | undefined;
  /** Secrets both ends prove to know, newest first. A bind beyond loopback needs this, or `tls`. */
  auth?: AuthOptions | undefined;
  /** Encrypts everything, and checks who is at the other end. */
  tls?: TlsOptions | TlsCredentials | undefined;
  /** Bounds of what a peer can make this process hold. */
  limits?: LimitOptions | undefined;
  /** Nest's hooks around what travels: a client's sees `{ pattern, data }`, a server's `{ response }`. */
  serializer?: { serialize(packet: any, options?: any): any } | undefined;
  /** A client's sees `{ response }`, a server's `{ pattern, data }`; a server's may return a promise. */
  deserializer?: { deserialize(packet: any, options?: any): any } | undefined;
  /** How values travel, where the other end knows it too; a server speaks all. @default 'msgpack' */
  codec?: CodecChoice | undefined;
}

/** MessagePack, with rows where the other end reads them; JSON; or a codec of your own. */
export type CodecChoice = 'msgpack' | 'json' | Codec;

/**
 * What `RookeryServer` needs to know.
 *
 * @publicApi
 */
export interface RookeryServerOptions extends CommonOptions {
  /** The name under which this process is found. */
  service?: string | undefined;
  /** @default '0.0.0' */
  version?: string | undefined;
  /** Address to bind, or a Unix socket: `'unix:/run/orders.sock'`. Beyond loopback it takes `tls`, `auth`, or `insecure: true`. @default '127.0.0.1' */
  host?: string | undefined;
  /** 0 picks a free one. @default 0 @range 0–65535 */
  port?: number | undefined;
  /** The address others are told, where it is not the bound one: `'10.0.0.7'`, `'orders.internal:4000'`. @default detected */
  advertise?: string | { host: string; port?: number | undefined } | undefined;
  /** Share of calls relative to the siblings. @default 1 @range 0–10000 */
  weight?: number | undefined;
  tags?: readonly string[] | undefined;
  metadata?: Readonly<Record<string, string>> | undefined;
  /** @default 'default' */
  clusterName?: string | undefined;
  /** @default 'public' */
  namespaceId?: string | undefined;
  /** @default 'default' */
  groupName?: string | undefined;
  /** Allows a bind beyond loopback without `tls` and `auth`. @default false */
  insecure?: boolean | undefined;
  /** Going away: how long clients may take to move, and running handlers to end. @default { linger: '5s', grace: '25s' } */
  drain?: { linger?: Duration | undefined; grace?: Duration | undefined } | undefined;
  /** Heartbeats and re-registration. */
  registrar?: RegistrarOptions | undefined;
}

/**
 * What `RookeryClient` needs to know.
 *
 * @publicApi
 */
export interface RookeryClientOptions extends CommonOptions {
  /** The service to call. */
  service: string;
  /** Narrows which instances are meant: by version, tags, metadata, cluster, namespace, group. */
  query?: InstanceQuery | undefined;
  /** Which instance gets a call. @default defaultBalancer(): P2C on peak EWMA, zone preference, slow start, outlier ejection */
  balancer?: BalancerFactory | undefined;
  /** How long a call may take where neither the call nor the handler says. @default '5s' @range 1 ms – 1 h */
  deadline?: Duration | undefined;
  /** Further attempts of calls that never reached a handler, or may be repeated; `false` for none. @default { attempts: 3 } */
  retry?: RetryOptions | false | undefined;
  /** From the first packet to the end of the handshake. @default '3s' @range 10 ms – 1 min */
  connectTimeout?: Duration | undefined;
  /** Connections to one instance; a further one is opened only when those there are full. @default 4 @range 1–64 */
  maxConnectionsPerInstance?: number | undefined;
  /** Folder of the last good lists, or `false`. @default `rookery` in `$XDG_CACHE_HOME`, or in `~/.cache` */
  snapshotDir?: string | false | undefined;
  discovery?: DiscoveryOptions | undefined;
}

/**
 * Options of `RookeryModule.forRoot`: those of the server, and what all clients of the process have in common.
 *
 * @publicApi
 */
export type RookeryOptions = RookeryServerOptions & Partial<Omit<RookeryClientOptions, 'service' | 'query'>>;

export const ROOKERY_DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  deadlineMs: 5_000,
  drainLingerMs: 5_000,
  drainGraceMs: 25_000,
  connectTimeoutMs: 3_000,
  maxConnectionsPerInstance: 4,
} as const;

/** @throws ConfigurationError `OPTION_INVALID` naming the field */
export function serverSettings(options: RookeryServerOptions) {
  const { drain = {} } = options;
  registrarSettings(options.registrar);
  checkRecord(options);
  return {
    host: hostOption('host', options.host ?? ROOKERY_DEFAULTS.host),
    port: integerOption('port', options.port, ROOKERY_DEFAULTS.port, { max: 65_535 }),
    lingerMs: durationOption('drain.linger', drain.linger, ROOKERY_DEFAULTS.drainLingerMs, { max: 600_000 }),
    graceMs: durationOption('drain.grace', drain.grace, ROOKERY_DEFAULTS.drainGraceMs, { max: 3_600_000 }),
    ...commonSettings(options),
  };
}

/** @throws ConfigurationError `OPTION_INVALID` naming the field */
export function clientSettings(options: RookeryClientOptions) {
  const { deadlineMs, connectTimeoutMs, maxConnectionsPerInstance } = ROOKERY_DEFAULTS;
  return {
    service: nameOption('service', options.service),
    query: { ...options.query },
    balancer: options.balancer ?? defaultBalancer(),
    deadlineMs: durationOption('deadline', options.deadline, deadlineMs, { min: 1, max: 3_600_000 }),
    retry: retrySettings(options.retry),
    connectTimeoutMs: durationOption('connectTimeout', options.connectTimeout, connectTimeoutMs, {
      min: 10,
      max: 60_000,
    }),
    maxConnectionsPerEndpoint: integerOption(
      'maxConnectionsPerInstance',
      options.maxConnectionsPerInstance,
      maxConnectionsPerInstance,
      { min: 1, max: 64 },
    ),
    discovery: discoverySettings(options.discovery),
    zone: options.zone,
    ...commonSettings(options),
  };
}

/** A name for one run of one process: a restarted process is somebody else. */
export function freshInstanceId(service: string): string {
  return `${service}-${randomBytes(6).toString('hex')}`;
}

/** What is announced of an instance, whatever its address. */
export function announcedFields(options: RookeryServerOptions): Partial<ServiceInstance> {
  const { version, weight, tags, clusterName, namespaceId, groupName, zone, metadata } = options;
  const fields = { version, weight, tags, clusterName, namespaceId, groupName };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), metadata: { ...(zone !== undefined && { [ZONE]: zone }), ...metadata } };
}

/** What would make the record unfit for a registry is an option's fault, and is said before anything listens. */
function checkRecord(options: RookeryServerOptions): void {
  const { service: serviceName = 'unnamed' } = options;
  const record = {
    ...INSTANCE_DEFAULTS,
    serviceName,
    instanceId: 'unnamed',
    ip: '127.0.0.1',
    port: 1,
    ...announcedFields(options),
  };
  const problem = instanceProblem(record)?.replace(/^serviceName/, 'service');
  if (problem !== undefined) throw new ConfigurationError('OPTION_INVALID', problem);
}

function commonSettings(options: CommonOptions) {
  const limits = transportLimits(options.limits);
  return {
    keys: new KeyRing(options.auth),
    tls: options.tls && tlsCredentials(options.tls),
    limits,
    keepAlive: KEEP_ALIVE_TIMES,
    codecs: codecsOf(options.codec, limits),
  };
}

function retrySettings(retry: RetryOptions | false | undefined): RetryOptions | false {
  if (retry === false) return false;
  const { ratio, minPerSecond } = RETRY_BUDGET_DEFAULTS;
  return {
    attempts: integerOption('retry.attempts', retry?.attempts, RETRY_DEFAULTS.attempts, { min: 1, max: 10 }),
    budget: {
      ratio: numberOption('retry.budget.ratio', retry?.budget?.ratio, ratio, { max: 10 }),
      minPerSecond: numberOption('retry.budget.minPerSecond', retry?.budget?.minPerSecond, minPerSecond, {
        max: 1_000_000,
      }),
    },
  };
}

/** The chosen codec first, then the others of version 1. */
function codecsOf(choice: CodecChoice = 'msgpack', limits: TransportLimits): readonly Codec[] {
  const standard = standardCodecs({ maxDepth: limits.maxDecodeDepth, maxNodes: limits.maxDecodeNodes });
  if (typeof choice === 'object') return [choice, ...standard.filter(({ name }) => name !== choice.name)];
  if (choice === 'msgpack') return standard;
  if (choice !== 'json') throw invalidOption('codec', `'msgpack', 'json' or a Codec`, choice);
  return standard.toSorted((a, b) => Number(b.name === 'json') - Number(a.name === 'json'));
}
