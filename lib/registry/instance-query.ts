import { INSTANCE_DEFAULTS, type ServiceInstance } from '../core/instance.js';
import type { InstanceQuery, Resolution, ServiceQuery } from './service-registry.js';

/** True for an instance that takes calls. */
export function isServing(instance: ServiceInstance): boolean {
  return instance.healthy && instance.enabled && instance.status === 'up';
}

export function matchesScope(instance: ServiceInstance, query: ServiceQuery = {}): boolean {
  return (
    instance.namespaceId === (query.namespaceId ?? INSTANCE_DEFAULTS.namespaceId) &&
    instance.groupName === (query.groupName ?? INSTANCE_DEFAULTS.groupName)
  );
}

/** Whether an instance is what a query asks for. Adapters whose server cannot filter use this. */
export function matchesQuery(instance: ServiceInstance, query: InstanceQuery = {}): boolean {
  return (
    matchesScope(instance, query) &&
    (query.clusterName === undefined || instance.clusterName === query.clusterName) &&
    (!query.healthyOnly || isServing(instance)) &&
    (query.version === undefined || instance.version === query.version) &&
    (query.tags ?? []).every((tag) => instance.tags.includes(tag)) &&
    Object.entries(query.metadata ?? {}).every(([key, value]) => instance.metadata[key] === value)
  );
}

/** `found`, or `absent` for an empty list. */
export function resolutionOf(instances: readonly ServiceInstance[]): Resolution {
  return instances.length === 0 ? { state: 'absent' } : { state: 'found', instances };
}
