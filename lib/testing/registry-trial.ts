import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { RookeryError, type Reason } from '../core/errors.js';
import { serviceInstance, type InstanceInit, type ServiceInstance } from '../core/instance.js';
import type { InstanceQuery, ServiceRegistry } from '../registry/service-registry.js';
import type { RegistryBackend, RegistryCapabilities, RegistryFixture } from './registry-fixture.js';
import { ResolutionRecorder } from './resolution-recorder.js';
import { until, within } from './waiting.js';

let trials = 0;

/** Long enough for an event that must not happen to show up. */
const QUIET_MS = 50;

/** The capabilities with their defaults. */
export interface Limits {
  readonly leaseTtlMs: number | undefined;
  /** When an instance that nobody renews must be gone. */
  readonly expiryMs: number;
  readonly propagationMs: number;
  readonly failureMs: number;
}

export function limitsOf(capabilities: RegistryCapabilities = {}): Limits {
  const { leaseTtlMs, ttlGranularityMs = 0, propagationMs = 2_000, failureMs = 10_000 } = capabilities;
  return { leaseTtlMs, expiryMs: (leaseTtlMs ?? 0) + ttlGranularityMs + propagationMs, propagationMs, failureMs };
}

/** What one clause runs in: names of its own, clients, watchers; and it puts away what the clause took out. */
export class RegistryTrial {
  readonly limits: Limits;
  private readonly prefix = `t${process.pid.toString(36)}${Date.now().toString(36)}${(trials++).toString(36)}`;
  private readonly clients = new Set<ServiceRegistry>();
  private readonly registered: ServiceInstance[] = [];
  private readonly stops: (() => void)[] = [];
  private backend: RegistryBackend | undefined;
  private instances = 0;

  constructor(private readonly fixture: RegistryFixture) {
    this.limits = limitsOf(fixture.capabilities);
  }

  /** The client under test. */
  get registry(): ServiceRegistry {
    return this.server.registry;
  }

  get isReadOnly(): boolean {
    return this.fixture.capabilities?.isReadOnly ?? false;
  }

  async open(given: readonly ServiceInstance[]): Promise<void> {
    this.backend = await this.fixture.create(this.isReadOnly ? given : []);
    if (this.isReadOnly || given.length === 0) return;
    const seeder = await this.another();
    await Promise.all(given.map((instance) => this.register(instance, seeder)));
  }

  /** Puts everything away, also after a failure. */
  async close(): Promise<void> {
    for (const stop of this.stops) stop();
    if (!this.backend) return;
    const { propagationMs, failureMs } = this.limits;
    // Best effort: the clause may have left the server stopped or the client closed.
    const cleanUp = (what: string, ms: number, tasks: Promise<void>[]) => within(what, ms, Promise.allSettled(tasks));
    await cleanUp(
      'deregister',
      propagationMs,
      this.registered.map((one) => this.registry.deregister(one)),
    ).catch(() => {});
    await cleanUp(
      'close',
      failureMs,
      [...this.clients, this.registry].map((client) => client.close()),
    );
    await this.backend.close();
  }

  /** A service name that no other clause uses; names keep their beginnings: `order` is one of `orders`. */
  service(name = 'orders'): string {
    return `${this.prefix}-${name}`;
  }

  instance({ serviceName = 'orders', ...rest }: Partial<InstanceInit> = {}): ServiceInstance {
    const number = ++this.instances;
    return serviceInstance({
      instanceId: `${this.prefix}-${number}`,
      ip: '10.1.2.3',
      port: 4_000 + number,
      ...rest,
      serviceName: this.service(serviceName),
    });
  }

  /** A second client of the same server; closed with the trial. */
  async another(): Promise<ServiceRegistry> {
    return this.adopt(await this.server.another());
  }

  adopt(client: ServiceRegistry): ServiceRegistry {
    this.clients.add(client);
    return client;
  }

  async register(instance: ServiceInstance, client = this.registry): Promise<ServiceInstance> {
    this.registered.push(instance);
    await client.register(instance);
    return instance;
  }

  async registerNew(init?: Partial<InstanceInit>, client = this.registry): Promise<ServiceInstance> {
    return this.register(this.instance(init), client);
  }

  /** Follows a service until the trial ends. */
  watch(name?: string, { client = this.registry, query }: { client?: ServiceRegistry; query?: InstanceQuery } = {}) {
    const recorder = new ResolutionRecorder(this.limits.propagationMs);
    this.stops.push(client.watchInstances(this.service(name), recorder.listener, query));
    return recorder;
  }

  /** What a fresh look sees, sorted by id. */
  async look(name?: string, query?: InstanceQuery, client = this.registry): Promise<ServiceInstance[]> {
    return byId(await client.getInstances(this.service(name), query));
  }

  /** Waits for what must not happen. */
  async quiet(): Promise<void> {
    await sleep(QUIET_MS);
  }

  async kill(client: ServiceRegistry): Promise<void> {
    await (this.fixture.kill?.(this.server, client) ?? client.close());
  }

  /** Until the server no longer knows the instance. */
  async loseLease(instance: ServiceInstance): Promise<void> {
    if (this.fixture.loseLease) return this.fixture.loseLease(this.server, instance);
    if (this.limits.leaseTtlMs === undefined) return (await this.another()).deregister(instance);
    const isGone = async () =>
      !(await this.registry.getInstances(instance.serviceName)).some(
        ({ instanceId }) => instanceId === instance.instanceId,
      );
    await until('the lease ends', isGone, this.limits.expiryMs);
  }

  async restartServer(): Promise<void> {
    await this.fixture.restartServer!(this.server);
  }

  async stopServer(): Promise<void> {
    await this.fixture.stopServer!(this.server);
  }

  async denied(): Promise<ServiceRegistry> {
    return this.adopt(await this.fixture.wrongCredentials!(this.server));
  }

  async unreachable(): Promise<ServiceRegistry> {
    return this.adopt(await this.fixture.unreachable!(this.server));
  }

  private get server(): RegistryBackend {
    assert.ok(this.backend, 'the trial is not open');
    return this.backend;
  }
}

export function byId(instances: readonly ServiceInstance[]): ServiceInstance[] {
  return instances.toSorted((one, other) => (one.instanceId < other.instanceId ? -1 : 1));
}

/** Plain copies: whether a record is frozen, or of which class, is nobody's business. */
export function plain(instances: readonly ServiceInstance[]): object[] {
  return byId(instances).map((instance) => ({
    ...instance,
    metadata: { ...instance.metadata },
    tags: [...instance.tags],
  }));
}

export function assertSame(actual: readonly ServiceInstance[], expected: readonly ServiceInstance[]): void {
  assert.deepEqual(plain(actual), plain(expected));
}

/** Fails unless the task rejects with a `RookeryError` of this reason. */
export async function assertRejects(what: string, task: Promise<unknown>, reason: Reason): Promise<RookeryError> {
  const error: unknown = await task.then(
    () => assert.fail(`${what}: expected ${reason}, and it resolved`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof assert.AssertionError) throw error;
  assert.ok(RookeryError.is(error), `${what}: expected a RookeryError, got ${String(error)}`);
  assert.equal(error.reason, reason, `${what}: ${error.message}`);
  return error;
}
