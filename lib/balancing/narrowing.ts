import type { Rng } from '../core/random.js';
import type { Balancer, CallSample, PickRequest } from './balancer.js';
import type { Endpoint } from './endpoint.js';
import { scanByWeight } from './weighted-sampler.js';

/**
 * A balancer around a balancer that shows it only some of the members. A call that excludes all of these gets any of the rest: to try an
 * endpoint that is ejected or far away beats failing.
 */
export abstract class Narrowing implements Balancer {
  protected members: readonly Endpoint[] = [];

  constructor(
    protected readonly inner: Balancer,
    private readonly rng: Rng,
  ) {}

  /** Those of `members` that calls should go to: some, if there are any. */
  protected abstract choose(members: readonly Endpoint[]): readonly Endpoint[];

  update(endpoints: readonly Endpoint[]): void {
    this.members = endpoints;
    this.narrow();
  }

  pick(call: PickRequest, nowMs: number): Endpoint | undefined {
    return this.inner.pick(call, nowMs) ?? this.pickFromRest(call);
  }

  observe(endpoint: Endpoint, sample: CallSample): void {
    this.inner.observe?.(endpoint, sample);
  }

  close(): void {
    this.inner.close?.();
  }

  protected narrow(): void {
    this.inner.update(this.choose(this.members));
  }

  /** The inner balancer found nobody, so all it was shown is excluded: what is not excluded is the rest. */
  private pickFromRest({ excluded }: PickRequest): Endpoint | undefined {
    return excluded && this.members[scanByWeight(this.members, excluded, this.rng)];
  }
}
