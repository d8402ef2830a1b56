import { serviceInstance, type InstanceInit, type ServiceInstance } from '../../../../lib/core/instance.js';

/** Instance number `n` of `orders`: id `o<n>`, at 10.0.x.y:4000. */
export function order(n: number, init: Partial<InstanceInit> = {}): ServiceInstance {
  const ip = `10.0.${n >> 8}.${n & 255}`;
  return serviceInstance({ instanceId: `o${n}`, serviceName: 'orders', ip, port: 4000, ...init });
}

/** Instances 1 to `count`. */
export function orders(count: number): ServiceInstance[] {
  return Array.from({ length: count }, (_, index) => order(index + 1));
}

export function ids(instances: readonly { instanceId: string }[]): string[] {
  return instances.map(({ instanceId }) => instanceId).toSorted(new Intl.Collator('en', { numeric: true }).compare);
}
