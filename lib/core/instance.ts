import { isIP } from 'node:net';

import { formatAddress, unixPath, unixPathProblem } from './address.js';
import { RookeryError } from './errors.js';
import { shown } from './shown.js';

/** `up` takes calls, `starting` and `draining` are announced but take none, `down` and `out-of-service` were switched off. */
export type InstanceStatus = 'starting' | 'up' | 'draining' | 'down' | 'out-of-service';

/**
 * One process (or one of its ports) that serves a service, as every registry knows it.
 *
 * @publicApi
 */
export interface ServiceInstance {
  /** Unique among all instances of all times: a restarted process is a new instance. */
  readonly instanceId: string;
  readonly serviceName: string;
  /** IPv4, IPv6 (without brackets), a host name, or a Unix socket of this machine: `unix:/run/orders.sock`. */
  readonly ip: string;
  /** 1 to 65535; 0 for a Unix socket, which has none. */
  readonly port: number;
  /** Share of calls relative to its siblings; 0 takes none. @default 1 */
  readonly weight: number;
  /** What the registry believes of its health. */
  readonly healthy: boolean;
  /** Switched on or off by an operator. */
  readonly enabled: boolean;
  readonly status: InstanceStatus;
  readonly metadata: Readonly<Record<string, string>>;
  readonly clusterName: string;
  readonly namespaceId: string;
  readonly groupName: string;
  readonly version: string;
  /** How it is spoken to: `rookery` for this package's wire. */
  readonly protocol: string;
  readonly tags: readonly string[];
}

/** What must be known of an instance; the rest has defaults. */
export type InstanceInit = Pick<ServiceInstance, 'serviceName' | 'ip' | 'port'> & Partial<ServiceInstance>;

export const INSTANCE_DEFAULTS = {
  weight: 1,
  healthy: true,
  enabled: true,
  status: 'up',
  metadata: {},
  clusterName: 'default',
  namespaceId: 'public',
  groupName: 'default',
  version: '0.0.0',
  protocol: 'rookery',
  tags: [],
} as const satisfies Partial<ServiceInstance>;

/** Bounds of a record; one that breaks them is dropped and reported, the rest of its list is kept. */
export const INSTANCE_LIMITS = {
  nameChars: 128,
  idChars: 256,
  metadataBytes: 4_096,
  metadataKeys: 64,
  tags: 64,
  weight: 10_000,
} as const;

/** Metadata key under which the zone of an instance travels. */
export const ZONE = 'zone';

/**
 * A complete, frozen record of the known fields. Without `instanceId` the address stands for it: such an instance proves only its service name.
 *
 * @throws RookeryError `INSTANCE_INVALID` naming the field
 */
export function serviceInstance(init: InstanceInit): ServiceInstance {
  const given = knownFields(init);
  const record = { ...INSTANCE_DEFAULTS, instanceId: addressId(given), ...given } as ServiceInstance;
  const problem = instanceProblem(record);
  if (problem) throw new RookeryError('INSTANCE_INVALID', `instance of ${shown(record.serviceName)}: ${problem}`);
  return Object.freeze({
    ...record,
    metadata: Object.freeze({ ...record.metadata }),
    tags: Object.freeze([...record.tags]),
  });
}

/** `ip:port`, with brackets around IPv6; `unix:/path` of a Unix socket. */
export function instanceAddress(instance: Pick<ServiceInstance, 'ip' | 'port'>): string {
  return formatAddress(instance.ip, instance.port);
}

/** True where the id was made from the address (static lists, DNS), so that nobody can prove it. */
export function isAnonymous(instance: ServiceInstance): boolean {
  return instance.instanceId === addressId(instance);
}

/** What is wrong with a record from outside, or `undefined`. Never throws, whatever the record is. */
export function instanceProblem(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null) return `expected an object, got ${shown(record)}`;
  const it = record as Record<keyof ServiceInstance, unknown>;
  return (
    nameProblem('serviceName', it.serviceName, INSTANCE_LIMITS.nameChars) ??
    hostProblem(it.ip) ??
    portProblem(it.ip, it.port) ??
    weightProblem(it.weight) ??
    nameProblem('instanceId', it.instanceId, INSTANCE_LIMITS.idChars) ??
    nameProblem('clusterName', it.clusterName, INSTANCE_LIMITS.nameChars) ??
    nameProblem('namespaceId', it.namespaceId, INSTANCE_LIMITS.nameChars) ??
    nameProblem('groupName', it.groupName, INSTANCE_LIMITS.nameChars) ??
    nameProblem('version', it.version, INSTANCE_LIMITS.nameChars) ??
    nameProblem('protocol', it.protocol, INSTANCE_LIMITS.nameChars) ??
    stateProblem(it.healthy, it.enabled, it.status) ??
    metadataProblem(it.metadata) ??
    tagsProblem(it.tags)
  );
}

/** Control characters, path separators and half characters would break registries that build keys and URLs from names. */
const UNSAFE = /[\u0000-\u001f\u007f/\\]|\p{Surrogate}/u;

function nameProblem(field: string, value: unknown, maxChars: number): string | undefined {
  if (typeof value !== 'string' || value.trim() === '')
    return `${field}: expected a non-empty string, got ${shown(value)}`;
  if (value.length > maxChars) return `${field}: at most ${maxChars} characters, got ${value.length}`;
  if (UNSAFE.test(value)) return `${field}: control characters, slashes and lone surrogates are not allowed`;
  return value === '.' || value === '..' ? `${field}: "." and ".." would be taken for folders` : undefined;
}

const HOST_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_-]{1,63})*\.?$/;

/** Resolvers read these as IPv4 addresses in disguise: `2130706433`, `0x7f.1`, `999.1.1.1`. Source: WHATWG URL, "ends in a number". */
const NUMERIC_NAME = /(?:^|\.)(?:\d+|0[xX][\da-fA-F]*)\.?$/;

function hostProblem(ip: unknown): string | undefined {
  const expected = `ip: expected an address or host name, got ${shown(ip)}`;
  if (typeof ip !== 'string' || ip.length > 253) return expected;
  const path = unixPath(ip);
  if (path !== undefined) return prefixed('ip: ', unixPathProblem(path));
  if (isIP(ip) !== 0) return /^[0:.]+$/.test(ip) ? `ip: ${ip} means "any address" and cannot be called` : undefined;
  return HOST_NAME.test(ip) && !NUMERIC_NAME.test(ip) ? undefined : expected;
}

function prefixed(prefix: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : prefix + problem;
}

function portProblem(ip: unknown, port: unknown): string | undefined {
  if (typeof ip === 'string' && unixPath(ip) !== undefined)
    return port === 0 ? undefined : `port: a Unix socket has none, expected 0, got ${shown(port)}`;
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535
    ? undefined
    : `port: expected 1 to 65535, got ${shown(port)}`;
}

function weightProblem(weight: unknown): string | undefined {
  if (typeof weight === 'number' && weight >= 0 && weight <= INSTANCE_LIMITS.weight) return undefined;
  return `weight: expected 0 to ${INSTANCE_LIMITS.weight}, got ${shown(weight)}`;
}

const STATUSES: ReadonlySet<unknown> = new Set<InstanceStatus>([
  'starting',
  'up',
  'draining',
  'down',
  'out-of-service',
]);

function stateProblem(healthy: unknown, enabled: unknown, status: unknown): string | undefined {
  if (typeof healthy !== 'boolean') return `healthy: expected a boolean, got ${shown(healthy)}`;
  if (typeof enabled !== 'boolean') return `enabled: expected a boolean, got ${shown(enabled)}`;
  return STATUSES.has(status) ? undefined : `status: expected one of ${[...STATUSES].join(', ')}, got ${shown(status)}`;
}

function metadataProblem(metadata: unknown): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    return `metadata: expected an object of strings, got ${shown(metadata)}`;
  }
  const entries = Object.entries(metadata);
  const { metadataKeys, metadataBytes } = INSTANCE_LIMITS;
  if (entries.length > metadataKeys) return `metadata: at most ${metadataKeys} keys, got ${entries.length}`;
  let bytes = 0;
  for (const [key, value] of entries) {
    if (typeof value !== 'string') return `metadata: expected a string at ${shown(key)}, got ${shown(value)}`;
    if (key === '__proto__' || HALF_CHARACTER.test(key + value))
      return `metadata: no registry could keep ${shown(key)}`;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes > metadataBytes ? `metadata: at most ${metadataBytes} bytes, got ${bytes}` : undefined;
}

const HALF_CHARACTER = /\p{Surrogate}/u;

function tagsProblem(tags: unknown): string | undefined {
  const { tags: maxTags, nameChars } = INSTANCE_LIMITS;
  if (!Array.isArray(tags)) return `tags: expected an array of strings, got ${shown(tags)}`;
  if (tags.length > maxTags) return `tags: at most ${maxTags}, got ${tags.length}`;
  const isTag = (tag: unknown) =>
    typeof tag === 'string' && tag !== '' && tag.length <= nameChars && !HALF_CHARACTER.test(tag);
  const bad = tags.findIndex((tag) => !isTag(tag));
  return bad < 0
    ? undefined
    : `tags[${bad}]: expected a string of 1 to ${nameChars} characters, got ${shown(tags[bad])}`;
}

const FIELDS = [
  'instanceId',
  'serviceName',
  'ip',
  'port',
  ...(Object.keys(INSTANCE_DEFAULTS) as (keyof typeof INSTANCE_DEFAULTS)[]),
] as const satisfies readonly (keyof ServiceInstance)[];

/** Leaves out what is `undefined`, and what a newer version or a stranger put in besides. */
function knownFields(init: unknown): Partial<ServiceInstance> {
  if (typeof init !== 'object' || init === null) return {};
  const source = init as Partial<ServiceInstance>;
  return Object.fromEntries(
    FIELDS.filter((field) => source[field] !== undefined).map((field) => [field, source[field]]),
  );
}

/** The address as an id, which may have no slashes. */
function addressId({ ip, port }: Partial<ServiceInstance>): string {
  return typeof ip === 'string' && typeof port === 'number' ? formatAddress(ip, port).replaceAll('/', '%2F') : '';
}
