import { RegistryError } from '../../../../lib/core/errors.js';
import type { ServiceInstance } from '../../../../lib/core/instance.js';
import { resolutionOf } from '../../../../lib/registry/instance-query.js';
import type {
  InstanceQuery,
  Resolution,
  ResolutionListener,
  ServiceRegistry,
  Unsubscribe,
} from '../../../../lib/registry/service-registry.js';

export const unreachable = new RegistryError('REGISTRY_UNREACHABLE', 'connect ECONNREFUSED');

/** A registry that says what the test says. */
export class ScriptedRegistry implements ServiceRegistry {
  readonly name = 'scripted';
  leaseTtlMs: number | undefined = 15_000;
  readonly watches = new Map<ResolutionListener, { serviceName: string; query: InstanceQuery | undefined }>();

  say(resolution: Resolution): void {
    for (const listener of this.watches.keys()) listener(resolution);
  }

  list(instances: readonly unknown[]): void {
    this.say(resolutionOf(instances as ServiceInstance[]));
  }

  fail(): void {
    this.say({ state: 'failed', error: unreachable });
  }

  watchInstances(serviceName: string, listener: ResolutionListener, query?: InstanceQuery): Unsubscribe {
    this.watches.set(listener, { serviceName, query });
    return () => void this.watches.delete(listener);
  }

  register = (_instance: ServiceInstance): Promise<void> => Promise.resolve();
  deregister = (_instance: ServiceInstance): Promise<void> => Promise.resolve();
  renew = (_instance: ServiceInstance): Promise<void> => Promise.resolve();
  getInstances = (): Promise<ServiceInstance[]> => Promise.resolve([]);
  listServices = (): Promise<string[]> => Promise.resolve([]);
  close = (): Promise<void> => Promise.resolve();
}
