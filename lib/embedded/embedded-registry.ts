import type { ServiceRegistry } from '../registry/service-registry.js';
export function embeddedRegistry(_options: object = {}): ServiceRegistry {
  throw new Error('being written');
}
