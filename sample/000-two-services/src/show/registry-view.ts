import type { Resolution, ServiceInstance, ServiceRegistry } from 'nestjs-rookery';
import { EventEmitter, once } from 'node:events';
import { say } from './screen.js';

/** Tells who appears in the registry and who leaves it, as the registry itself says so. */
export class RegistryView {
  private readonly present = new Map<string, ServiceInstance>();
  private readonly changes = new EventEmitter();

  constructor(private readonly registry: ServiceRegistry) {}

  follow(service: string): void {
    this.registry.watchInstances(service, (resolution) => this.update(service, resolution));
  }

  /** Resolves when all of these are there. */
  async appearance(...names: string[]): Promise<void> {
    while (!names.every((name) => this.has(name))) await once(this.changes, 'change');
  }

  private update(service: string, resolution: Resolution): void {
    if (resolution.state === 'pending' || resolution.state === 'failed') return;
    const listed = resolution.state === 'found' ? resolution.instances : [];
    const ids = new Set(listed.map(({ instanceId }) => instanceId));
    const known = [...this.present.values()].filter(({ serviceName }) => serviceName === service);
    for (const instance of known.filter(({ instanceId }) => !ids.has(instanceId))) {
      this.present.delete(instance.instanceId);
      say('registry', `- ${this.line(instance)}`);
    }
    for (const instance of listed.filter(({ instanceId }) => !this.present.has(instanceId))) {
      this.present.set(instance.instanceId, instance);
      say('registry', `+ ${this.line(instance)}`);
    }
    this.changes.emit('change');
  }

  private has(name: string): boolean {
    return [...this.present.values()].some(({ metadata }) => metadata['name'] === name);
  }

  private line({ serviceName, metadata, ip, port }: ServiceInstance): string {
    const count = [...this.present.values()].filter((instance) => instance.serviceName === serviceName).length;
    return `${metadata['name']?.padEnd(9)} ${`${ip}:${port}`.padEnd(18)} ${serviceName}: ${count}`;
  }
}
