import { serviceInstance, type InstanceInit, type ServiceInstance } from '../../../lib/core/instance.js';

let count = 0;

/** An instance of `orders`, a new one each time. */
export function someInstance(init: Partial<InstanceInit> = {}): ServiceInstance {
  const number = ++count;
  return serviceInstance({
    serviceName: 'orders',
    instanceId: `id-${number}`,
    ip: '10.0.0.1',
    port: 1_000 + number,
    ...init,
  });
}

export function idsOf(instances: readonly ServiceInstance[]): string[] {
  return instances.map(({ instanceId }) => instanceId);
}
