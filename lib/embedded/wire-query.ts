import { invalidOption } from '../core/options.js';
import { INSTANCE_DEFAULTS, INSTANCE_LIMITS } from '../core/instance.js';
import type { InstanceRef } from '../registry/instance-table.js';
import type { InstanceQuery, ServiceQuery } from '../registry/service-registry.js';

/** Names one service. */
export interface ServiceRef extends ServiceQuery {
  readonly serviceName: string;
}

/** What clients send, of which nothing is believed. @throws ConfigurationError `OPTION_INVALID` naming the field */
export function parseInstanceRef(data: unknown): InstanceRef {
  const it = fieldsOf(data);
  const { namespaceId, groupName } = INSTANCE_DEFAULTS;
  return {
    serviceName: name('serviceName', it['serviceName']),
    instanceId: name('instanceId', it['instanceId']),
    namespaceId: optional(name, 'namespaceId', it['namespaceId']) ?? namespaceId,
    groupName: optional(name, 'groupName', it['groupName']) ?? groupName,
  };
}

export function parseServiceRef(data: unknown): ServiceRef {
  return { ...parseServiceQuery(data), serviceName: name('serviceName', fieldsOf(data)['serviceName']) };
}

/** Of one service where it is named, of all otherwise. */
export function parseOptionalService(data: unknown): Partial<ServiceRef> {
  return isAbsent(data) || isAbsent(fieldsOf(data)['serviceName'])
    ? parseServiceQuery(data ?? {})
    : parseServiceRef(data);
}

export function parseServiceQuery(data: unknown): ServiceQuery {
  const it = fieldsOf(data ?? {});
  return {
    namespaceId: optional(name, 'namespaceId', it['namespaceId']),
    groupName: optional(name, 'groupName', it['groupName']),
  };
}

export function parseInstanceQuery(data: unknown): InstanceQuery {
  const it = fieldsOf(data);
  return {
    ...parseServiceQuery(data),
    clusterName: optional(name, 'clusterName', it['clusterName']),
    version: optional(name, 'version', it['version']),
    healthyOnly: it['healthyOnly'] === true,
    tags: optional(tags, 'tags', it['tags']),
    metadata: optional(metadata, 'metadata', it['metadata']),
  };
}

function fieldsOf(data: unknown): Record<string, unknown> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw invalidOption('data', 'an object', data);
  return data as Record<string, unknown>;
}

function name(field: string, value: unknown): string {
  // Keys of the table are joined by NUL.
  if (typeof value === 'string' && value.length <= INSTANCE_LIMITS.idChars && !value.includes('\0')) return value;
  throw invalidOption(field, `a string of at most ${INSTANCE_LIMITS.idChars} characters`, value);
}

function tags(field: string, value: unknown): string[] {
  const isList = Array.isArray(value) && value.length <= INSTANCE_LIMITS.tags;
  if (isList && value.every((tag) => typeof tag === 'string')) return value;
  throw invalidOption(field, `at most ${INSTANCE_LIMITS.tags} strings`, value);
}

function metadata(field: string, value: unknown): Record<string, string> {
  const entries = Object.entries(fieldsOf(value));
  const isShort = entries.length <= INSTANCE_LIMITS.metadataKeys;
  if (isShort && entries.every(([, entry]) => typeof entry === 'string')) return value as Record<string, string>;
  throw invalidOption(field, `an object of at most ${INSTANCE_LIMITS.metadataKeys} strings`, value);
}

/** A field that is absent, or `null` as some codecs write it. */
function optional<T>(parse: (field: string, value: unknown) => T, field: string, value: unknown): T | undefined {
  return isAbsent(value) ? undefined : parse(field, value);
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
