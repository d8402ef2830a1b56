import fc from 'fast-check';
import { expect } from 'vitest';

import type { BalancerFactory } from '../../../../lib/balancing/balancer.js';
import type { Endpoint } from '../../../../lib/balancing/endpoint.js';
import { seededRng } from '../../../../lib/core/random.js';
import { Client, instance } from './fixture.js';

export const POOL = Array.from({ length: 8 }, (_, index) => instance(`e${index}`, { zone: 'xyz'[index % 3]! }));

type Step =
  | { kind: 'update'; members: { index: number; weight: number }[] }
  | { kind: 'reachable'; index: number; isReachable: boolean }
  | { kind: 'pick'; excluded: number[]; routingKey: string | undefined }
  | { kind: 'done'; which: number; result: 'success' | 'failure' | 'cancelled'; latencyMs: number }
  | { kind: 'advance'; ms: number };

const index = fc.nat({ max: POOL.length - 1 });
const member = fc.record({ index, weight: fc.constantFrom(0, 0.5, 1, 1, 1, 10) });
/** What may happen to a client. */
export const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('update' as const), members: fc.array(member, { maxLength: 8 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reachable' as const), index, isReachable: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pick' as const),
      excluded: fc.array(index, { maxLength: 4 }),
      routingKey: fc.option(fc.string(), { nil: undefined }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('done' as const),
      which: fc.nat(),
      result: fc.constantFrom('success', 'failure', 'failure', 'cancelled'),
      latencyMs: fc.nat({ max: 10_000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat({ max: 60_000 }) }) },
);

/** A client that does what steps say, and checks after each what must always be so. */
export class Walk {
  private readonly client: Client;
  private readonly underWay: Endpoint[] = [];
  private readonly seen = new Set<Endpoint>();

  constructor(factory: BalancerFactory, seed: number) {
    this.client = new Client(factory, { rng: seededRng(seed), zone: 'x' });
  }

  do(step: Step): void {
    const { set, clock } = this.client;
    if (step.kind === 'update') set.update(step.members.map(({ index, weight }) => ({ ...POOL[index]!, weight })));
    else if (step.kind === 'advance') clock.advance(step.ms);
    else if (step.kind === 'pick') this.pick(step.excluded, step.routingKey);
    else if (step.kind === 'done') this.done(step.which, step.result, step.latencyMs);
    else if (this.at(step.index)) set.setReachable(this.at(step.index)!, step.isReachable);
  }

  finish(): void {
    while (this.underWay.length > 0) this.done(0, 'success', 1);
    for (const endpoint of this.seen) expect(endpoint.inFlight).toBe(0);
    this.expectNobodyStarves();
    this.client.set.close();
    expect(this.client.clock.pending).toBe(0);
  }

  private pick(excludedIndexes: readonly number[], routingKey: string | undefined): void {
    const excluded = excludedIndexes.flatMap((index) => this.at(index) ?? []);
    const candidates = this.client.set.endpoints.filter((it) => it.instance.weight > 0);
    const left = candidates.filter((it) => !excluded.includes(it));
    const picked = this.client.set.pick({ excluded, routingKey });
    if (left.length === 0) return expect(picked).toBeUndefined();
    expect(left).toContain(picked);
    const isReachableLeft = left.some((it) => it.isReachable);
    if (isReachableLeft) expect(picked!.isReachable).toBe(true);
    this.underWay.push(picked!);
    this.seen.add(picked!);
  }

  private done(which: number, result: 'success' | 'failure' | 'cancelled', latencyMs: number): void {
    if (this.underWay.length === 0) return;
    const [endpoint] = this.underWay.splice(which % this.underWay.length, 1);
    this.client.done(endpoint!, result, latencyMs);
    expect(endpoint!.inFlight).toBeGreaterThanOrEqual(0);
  }

  /** Once ejections are over and all is quiet, a call for everybody: excluding those that had one must lead to all of them. */
  private expectNobodyStarves(): void {
    const candidates = this.client.set.endpoints.filter((it) => it.instance.weight > 0);
    const reached: Endpoint[] = [];
    for (
      let next = this.client.set.pick({ excluded: reached });
      next;
      next = this.client.set.pick({ excluded: [...reached] })
    ) {
      reached.push(next);
      this.client.done(next);
    }
    expect(new Set(reached)).toEqual(new Set(candidates));
  }

  private at(index: number): Endpoint | undefined {
    return this.client.set.endpoints.find((endpoint) => endpoint.instanceId === POOL[index]!.instanceId);
  }
}
