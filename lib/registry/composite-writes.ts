import { RegistryError, RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import { joinErrors } from './merge-resolutions.js';
import type { ServiceRegistry } from './service-registry.js';

/** What one registry of several answered: exactly one of the two, or neither where there is nothing to say. */
export interface Answer<T = void> {
  readonly value?: T;
  readonly error?: RookeryError;
}

/** Asks every registry, and waits for all: a write is as slow as the slowest. Never rejects. */
export function askAll<T>(
  registries: readonly ServiceRegistry[],
  ask: (registry: ServiceRegistry) => Promise<T>,
): Promise<Answer<T>[]> {
  return Promise.all(registries.map((registry) => answerOf(registry, ask)));
}

export function errorsOf(answers: readonly Answer<unknown>[]): RookeryError[] {
  return answers.flatMap(({ error }) => error ?? []);
}

export function throwIfAllFailed(answers: readonly Answer<unknown>[]): void {
  const errors = errorsOf(answers);
  if (errors.length > 0 && errors.length === answers.length) throw joinErrors(errors);
}

/**
 * Writes to several registries. Those of one instance to one registry run one after another, so that a registry which was slow to take a
 * renewal cannot bring back what was deregistered meanwhile.
 */
export class CompositeWrites {
  /** By registry: the last write of each instance that is still under way. */
  private readonly underWay: readonly Map<string, Promise<unknown>>[];

  constructor(private readonly registries: readonly ServiceRegistry[]) {
    this.underWay = registries.map(() => new Map());
  }

  /** Waits for all registries; rejects where all refused. */
  async toAll(instance: ServiceInstance, write: (registry: ServiceRegistry) => Promise<void>): Promise<void> {
    const answers = this.registries.map((_, index) =>
      this.enqueue(index, instance, (registry) => answerOf(registry, write)),
    );
    throwIfAllFailed(await Promise.all(answers));
  }

  /**
   * Done as soon as one registry has renewed: a registry that hangs must not cost the lease in the others. It is left out of further
   * renewals until it has answered; one that lost the instance is registered in again.
   */
  async renew(instance: ServiceInstance): Promise<void> {
    if (this.registries.length === 0) return;
    const renewals = this.registries.map((_, index) => this.renewAt(index, instance, () => isKept));
    const isKept = anyKept(renewals);
    if (await isKept) return;
    const answers = await Promise.all(renewals);
    throw answers.find(isLost)?.error ?? joinErrors(errorsOf(answers));
  }

  /** @returns what `renew` answered; registering again, where another registry keeps the instance, goes on behind it */
  private renewAt(index: number, instance: ServiceInstance, isKept: () => Promise<boolean>): Promise<Answer> {
    if (this.underWay[index]?.has(keyOf(instance))) return Promise.resolve(busy(this.registries[index]?.name));
    return new Promise((answered) => {
      void this.enqueue(index, instance, async (registry) => {
        const answer = await answerOf(registry, () => registry.renew(instance));
        answered(answer);
        // Refused again, it stays lost there until the next heartbeat.
        if (isLost(answer) && (await isKept())) await answerOf(registry, () => registry.register(instance));
      });
    });
  }

  private enqueue<T>(
    index: number,
    instance: ServiceInstance,
    task: (registry: ServiceRegistry) => Promise<T>,
  ): Promise<T> {
    const registry = this.registries[index]!;
    const underWay = this.underWay[index]!;
    const key = keyOf(instance);
    const before = underWay.get(key);
    const run = before ? before.then(() => task(registry)) : task(registry);
    underWay.set(key, run);
    return run.finally(() => underWay.get(key) === run && underWay.delete(key));
  }
}

async function answerOf<T>(
  registry: ServiceRegistry,
  ask: (registry: ServiceRegistry) => Promise<T>,
): Promise<Answer<T>> {
  try {
    return { value: await ask(registry) };
  } catch (cause) {
    if (RookeryError.is(cause)) return { error: cause };
    return { error: new RegistryError('REGISTRY_UNREACHABLE', `${registry.name}: ${String(cause)}`, { cause }) };
  }
}

/** True with the first registry that renewed, false once all have answered otherwise. */
async function anyKept(renewals: readonly Promise<Answer>[]): Promise<boolean> {
  const kept = renewals.map(async (renewal) => {
    if ((await renewal).error) throw new Error('not kept');
  });
  return Promise.any(kept).then(
    () => true,
    () => false,
  );
}

function isLost({ error }: Answer): boolean {
  return error?.reason === 'LEASE_LOST';
}

function busy(name = ''): Answer {
  return { error: new RegistryError('REGISTRY_UNREACHABLE', `${name} has not answered the last write yet`) };
}

/** Names hold no slashes. */
function keyOf({ namespaceId, groupName, serviceName, instanceId }: ServiceInstance): string {
  return [namespaceId, groupName, serviceName, instanceId].join('/');
}
