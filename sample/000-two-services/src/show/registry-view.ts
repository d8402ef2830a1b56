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
    for (const gone of known.filter(({ instanceId }) => !ids.has(instanceId))) {
      this.present.delete(gone.instanceId);
      this.tell('-', gone, 'is gone');
    }
    for (const instance of listed) this.updateOne(instance);
    this.changes.emit('change');
  }

  private updateOne(instance: ServiceInstance): void {
    const before = this.present.get(instance.instanceId);
    this.present.set(instance.instanceId, instance);
    if (before === undefined) this.tell('+', instance, `at ${instance.ip}:${instance.port}`);
    else if (before.healthy && !instance.healthy) this.tell('~', instance, 'is unhealthy');
  }

  private tell(sign: string, { serviceName, metadata }: ServiceInstance, what: string): void {
    const healthy = [...this.present.values()].filter((it) => it.serviceName === serviceName && it.healthy).length;
    say('registry', `${sign} ${metadata['name']?.padEnd(9)} ${what.padEnd(22)} ${serviceName}: ${healthy}`);
  }

  private has(name: string): boolean {
    return [...this.present.values()].some(({ metadata }) => metadata['name'] === name);
  }
}
