import { instanceAddress, type ServiceInstance } from '../core/instance.js';
import { isServing } from '../registry/instance-query.js';

/**
 * Metadata key under which an instance says when it began, in ms since 1970: of two records that cannot both be true, the one with the
 * higher epoch is kept. Where it is missing, the hello proves who answers.
 */
export const EPOCH = 'epoch';

/**
 * One record per instance id, and per address the newest where epochs tell: the record of a process that crashed stands until its lease
 * ends, next to its successor's. The choice depends on the records only, never on their order, so all callers make the same.
 */
export function withoutTwins(
  instances: readonly ServiceInstance[],
  refuse: (instance: ServiceInstance, problem: string) => void,
): ReadonlyMap<string, ServiceInstance> {
  const byId = new Map<string, ServiceInstance>();
  for (const instance of instances) {
    const twin = byId.get(instance.instanceId);
    byId.set(instance.instanceId, twin === undefined ? instance : preferred(twin, instance));
    if (twin !== undefined && instanceAddress(twin) !== instanceAddress(instance)) {
      refuse(
        instance,
        `instanceId: announced at ${instanceAddress(twin)} and ${instanceAddress(instance)}; one is used`,
      );
    }
  }
  dropPredecessors(byId);
  return byId;
}

/** Silently: a crash and a restart are everyday. */
function dropPredecessors(byId: Map<string, ServiceInstance>): void {
  const byAddress = new Map<string, ServiceInstance>();
  for (const instance of byId.values()) {
    const epoch = epochOf(instance);
    if (epoch === undefined) continue;
    const address = instanceAddress(instance);
    const other = byAddress.get(address);
    if (other === undefined || epochOf(other)! < epoch) byAddress.set(address, instance);
    if (other !== undefined && epochOf(other) !== epoch) {
      byId.delete(epochOf(other)! < epoch ? other.instanceId : instance.instanceId);
    }
  }
}

function preferred(a: ServiceInstance, b: ServiceInstance): ServiceInstance {
  const newer = (epochOf(b) ?? -1) - (epochOf(a) ?? -1);
  if (newer !== 0) return newer > 0 ? b : a;
  if (isServing(a) !== isServing(b)) return isServing(a) ? a : b;
  return instanceAddress(b) < instanceAddress(a) ? b : a;
}

function epochOf({ metadata }: ServiceInstance): number | undefined {
  const epoch = metadata[EPOCH];
  return epoch !== undefined && /^\d{1,15}$/.test(epoch) ? Number(epoch) : undefined;
}
