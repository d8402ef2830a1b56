import { RegistryError, type Reason } from '../../../lib/core/errors.js';
import type { ServiceInstance } from '../../../lib/core/instance.js';
import type { Resolution, ResolutionListener, ServiceRegistry } from '../../../lib/registry/service-registry.js';

/** A registry that does as it is told, and writes down what it was asked. */
export class ScriptedRegistry implements ServiceRegistry {
  readonly leaseTtlMs: number | undefined;
  readonly calls: string[] = [];
  readonly listeners = new Set<ResolutionListener>();
  /** What the next calls end with: a reason to fail, `hang` until `answer()`, or nothing special. */
  mood: Reason | 'hang' | undefined;
  moods: Partial<Record<string, Reason | 'hang' | undefined>> = {};
  instances: ServiceInstance[] = [];
  private readonly hanging: (() => void)[] = [];

  constructor(
    readonly name: string,
    leaseTtlMs?: number,
    readonly isReadOnly = false,
  ) {
    this.leaseTtlMs = leaseTtlMs;
  }

  register = () => this.ask('register');
  deregister = () => this.ask('deregister');
  renew = () => this.ask('renew');
  close = () => this.ask('close');

  async getInstances(): Promise<ServiceInstance[]> {
    await this.ask('getInstances');
    return this.instances;
  }

  async listServices(): Promise<string[]> {
    await this.ask('listServices');
    return [...new Set(this.instances.map(({ serviceName }) => serviceName))];
  }

  watchInstances(_serviceName: string, listener: ResolutionListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  tell(resolution: Resolution): void {
    for (const listener of this.listeners) listener(resolution);
  }

  /** Ends all calls that hang. */
  answer(): void {
    for (const end of this.hanging.splice(0)) end();
  }

  private async ask(call: string): Promise<void> {
    this.calls.push(call);
    const mood = call in this.moods ? this.moods[call] : this.mood;
    if (mood === 'hang') await new Promise<void>((end) => this.hanging.push(end));
    else if (mood) throw new RegistryError(mood, `${this.name} says ${mood}`);
  }
}
