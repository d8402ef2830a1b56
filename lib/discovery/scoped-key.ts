import { INSTANCE_DEFAULTS } from '../core/instance.js';
import type { InstanceQuery } from '../registry/service-registry.js';

/** The same text for the same question, however it is spelled. `healthyOnly` does not count: health is judged by the caller. */
export function scopedKey(serviceName: string, query: InstanceQuery = {}): string {
  return JSON.stringify([
    query.namespaceId ?? INSTANCE_DEFAULTS.namespaceId,
    query.groupName ?? INSTANCE_DEFAULTS.groupName,
    serviceName,
    query.clusterName ?? null,
    query.version ?? null,
    [...new Set(query.tags ?? [])].toSorted(),
    Object.entries(query.metadata ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}
