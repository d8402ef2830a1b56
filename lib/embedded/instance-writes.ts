import type { ServiceInstance } from '../core/instance.js';
import type { InstanceRef, InstanceTable, Owner } from '../registry/instance-table.js';

/** How a registry changes what it knows. A change counts, and its caller is answered, when the promise resolves. */
export interface InstanceWrites {
  /** @throws RegistryError `REGISTRY_FULL`, `REGISTRY_READ_ONLY` */
  put(record: ServiceInstance, owner: Owner): void | Promise<void>;
  /** @throws RegistryError `REGISTRY_READ_ONLY` */
  remove(ref: InstanceRef): void | Promise<void>;
}

/** Changes that end with the process. */
export function memoryWrites(table: InstanceTable): InstanceWrites {
  return {
    put: (record, owner) => table.put(record, owner),
    remove: (ref) => void table.remove(ref),
  };
}
