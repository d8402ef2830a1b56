import { RegistryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';

type Named = Pick<ServiceInstance, 'serviceName' | 'instanceId'>;

export function leaseLost({ serviceName, instanceId }: Named): RegistryError {
  const message = `the registry has no instance ${instanceId} of ${serviceName}, or no longer; register it again`;
  return new RegistryError('LEASE_LOST', message, { service: serviceName });
}

export function registryFull({ serviceName, instanceId }: Named, maxInstances: number): RegistryError {
  const message = `no room for instance ${instanceId} of ${serviceName}: the registry holds ${maxInstances} instances already`;
  return new RegistryError('REGISTRY_FULL', `${message}; deregister some or raise maxInstances`, {
    service: serviceName,
  });
}

export function serviceFull({ serviceName, instanceId }: Named, maxInstances: number): RegistryError {
  const message = `no room for instance ${instanceId} of ${serviceName}: the registry holds ${maxInstances} instances of it already`;
  return new RegistryError('REGISTRY_FULL', `${message}; deregister some or raise maxInstancesPerService`, {
    service: serviceName,
  });
}

export function registryClosed(name: string): RegistryError {
  return new RegistryError('CLIENT_CLOSED', `the registry ${name} was closed; use it before close()`);
}
