import type { Balancer, BalancerContext, BalancerFactory, CallSample } from '../../../../lib/balancing/balancer.js';
import { EndpointSet } from '../../../../lib/balancing/endpoint-set.js';
import { Endpoint } from '../../../../lib/balancing/endpoint.js';
import { serviceInstance, ZONE, type ServiceInstance } from '../../../../lib/core/instance.js';
import { seededRng } from '../../../../lib/core/random.js';
import { FakeClock } from '../../../../lib/testing/fake-clock.js';

/** An instance named `name` at an address of its own. */
export function instance(name: string, init: Partial<ServiceInstance> & { zone?: string } = {}): ServiceInstance {
  const { zone, ...rest } = init;
  const metadata = zone === undefined ? {} : { [ZONE]: zone };
  return serviceInstance({
    serviceName: 'orders',
    instanceId: name,
    ip: `${name}.test`,
    port: 4000,
    metadata,
    ...rest,
  });
}

/** Instances `a`, `b`, `c`, … (`n0`, `n1`, … for more than 26), one for each weight. */
export function instances(weights: readonly number[]): ServiceInstance[] {
  return weights.map((weight, index) => instance(nameOf(index, weights.length), { weight }));
}

export function endpoints(weights: readonly number[]): Endpoint[] {
  return instances(weights).map((it) => new Endpoint(it, 0));
}

export function even(count: number): number[] {
  return Array.from({ length: count }, () => 1);
}

export function context(overrides: Partial<BalancerContext> = {}): BalancerContext {
  return { serviceName: 'orders', clock: new FakeClock(), rng: seededRng(1), callerId: 'caller-1', ...overrides };
}

/** A client of one service: a set under one balancer, on a clock that a test moves. */
export class Client {
  readonly clock = new FakeClock();
  readonly balancer: Balancer;
  readonly set: EndpointSet<Endpoint>;
  readonly removed: Endpoint[] = [];

  constructor(factory: BalancerFactory, overrides: Partial<BalancerContext> = {}) {
    this.balancer = factory(context({ clock: this.clock, ...overrides }));
    this.set = new EndpointSet({
      balancer: this.balancer,
      clock: this.clock,
      createEndpoint: (it, nowMs) => new Endpoint(it, nowMs),
      onRemoved: (endpoint) => this.removed.push(endpoint),
    });
  }

  with(listed: readonly ServiceInstance[]): this {
    this.set.update(listed);
    return this;
  }

  get(name: string): Endpoint {
    return this.set.endpoints.find((endpoint) => endpoint.instanceId === name)!;
  }

  pick(excluded: readonly Endpoint[] = []): string | undefined {
    return this.set.pick({ excluded })?.instanceId;
  }

  /** Ends a call at the clock's present time. */
  done(endpoint: Endpoint, result: CallSample['result'] = 'success', latencyMs = 1): void {
    this.set.done(endpoint, { result, latencyMs, nowMs: this.clock.now() });
  }

  /** One call that ends at once. */
  call(
    result: CallSample['result'] | ((endpoint: Endpoint) => CallSample['result']) = 'success',
    latencyMs = 1,
  ): string {
    const endpoint = this.set.pick({})!;
    this.done(endpoint, typeof result === 'function' ? result(endpoint) : result, latencyMs);
    return endpoint.instanceId;
  }

  /** Calls in a row, each ended before the next; how many each endpoint got. */
  calls(count: number, result?: Parameters<this['call']>[0]): Record<string, number> {
    const counts = this.noCalls();
    for (let index = 0; index < count; index++) counts[this.call(result)]!++;
    return counts;
  }

  /** One call every `everyMs` for `forMs`, each taking as long as `latencyMs` says; how many each endpoint got. */
  traffic(load: { everyMs: number; forMs: number; latencyMs: (endpoint: Endpoint) => number }): Record<string, number> {
    const counts = this.noCalls();
    for (let ms = 0; ms < load.forMs; ms += load.everyMs) {
      const endpoint = this.set.pick({})!;
      counts[endpoint.instanceId]!++;
      const latencyMs = load.latencyMs(endpoint);
      this.clock.after(latencyMs, () => this.done(endpoint, 'success', latencyMs));
      this.clock.advance(load.everyMs);
    }
    return counts;
  }

  /** Failures in a row for one endpoint, whoever is picked. */
  fail(name: string, times: number): void {
    const endpoint = this.get(name);
    for (let index = 0; index < times; index++) {
      endpoint.inFlight++;
      this.done(endpoint, 'failure');
    }
  }

  private noCalls(): Record<string, number> {
    return Object.fromEntries(this.set.endpoints.map((endpoint) => [endpoint.instanceId, 0]));
  }
}

/** A balancer that remembers what it was told and picks the first it may. */
export class RecordingBalancer implements Balancer {
  readonly lists: string[][] = [];
  readonly observed: string[] = [];
  isClosed = false;
  private endpoints: readonly Endpoint[] = [];

  update(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    this.lists.push(endpoints.map((endpoint) => endpoint.instanceId));
  }

  pick({ excluded = [] }: { excluded?: readonly Endpoint[] | undefined }): Endpoint | undefined {
    return this.endpoints.find((endpoint) => !excluded.includes(endpoint));
  }

  observe(endpoint: Endpoint, sample: CallSample): void {
    this.observed.push(`${endpoint.instanceId} ${sample.result}`);
  }

  close(): void {
    this.isClosed = true;
  }

  get list(): string[] {
    return this.lists.at(-1) ?? [];
  }
}

function nameOf(index: number, count: number): string {
  return count > 26 ? `n${index}` : String.fromCharCode(97 + index);
}
