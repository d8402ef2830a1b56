import { onTestFinished } from 'vitest';

import { serviceInstance, type InstanceInit, type ServiceInstance } from '../../../../lib/core/instance.js';
import { embeddedRegistry, type EmbeddedRegistry } from '../../../../lib/embedded/embedded-registry.js';
import type { EmbeddedRegistryOptions } from '../../../../lib/embedded/embedded-registry-options.js';
import { RegistryServer } from '../../../../lib/embedded/registry-server.js';
import type { RegistryServerOptions } from '../../../../lib/embedded/registry-server-options.js';
import { ResolutionRecorder } from '../../../../lib/testing/resolution-recorder.js';
import { Cable } from './cable.js';

/** How long a test waits for what should happen at once. */
export const SOON_MS = 3_000;

export interface Served {
  readonly server: RegistryServer;
  readonly port: number;
}

/** A listening registry; closed with the test. */
export async function served(options: RegistryServerOptions = {}): Promise<Served> {
  const server = new RegistryServer({ port: 0, ...options });
  onTestFinished(() => server.close());
  return { server, port: (await server.listen()).port };
}

/** A client of a port of this machine, which comes back as soon as it may; closed with the test. */
export function clientOf(port: number, options: EmbeddedRegistryOptions = {}): EmbeddedRegistry {
  return client({ address: `127.0.0.1:${port}`, reregisterJitter: 0, rng: () => 0, ...options });
}

export function client(options: EmbeddedRegistryOptions): EmbeddedRegistry {
  const registry = embeddedRegistry(options);
  onTestFinished(() => registry.close());
  return registry;
}

/** A cable to a port; removed with the test. */
export async function cableTo(port: number): Promise<Cable> {
  const cable = await Cable.lay(port);
  onTestFinished(() => cable.remove());
  return cable;
}

/** Follows a service until the test ends. */
export function follow(registry: EmbeddedRegistry, serviceName = 'orders'): ResolutionRecorder {
  const recorder = new ResolutionRecorder(SOON_MS);
  onTestFinished(registry.watchInstances(serviceName, recorder.listener));
  return recorder;
}

/** Instance `id` of `orders`. */
export function order(id: string, init: Partial<InstanceInit> = {}): ServiceInstance {
  return serviceInstance({ instanceId: id, serviceName: 'orders', ip: '10.0.0.1', port: 4_000, ...init });
}

/** Whether the watcher sees exactly one instance, and healthy or not as given. */
export function seesHealth({ latest }: ResolutionRecorder, healthy: boolean): boolean {
  return latest.state === 'found' && latest.instances.length === 1 && latest.instances[0]!.healthy === healthy;
}
