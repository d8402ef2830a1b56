import { fullJitter } from '../core/backoff.js';
import { pause, type Clock } from '../core/clock.js';
import { RegistryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import type { Rng } from '../core/random.js';
import type { ServiceRegistry } from '../registry/service-registry.js';
import { within } from './within.js';

const MAX_ATTEMPTS = 3;
const BACKOFF = { initialMs: 200, maxMs: 1_000 } as const;

/**
 * Deregisters in at most three attempts and `ms`; whatever it started has ended by then, save a call the registry never answers.
 *
 * @throws the last attempt's error, or RegistryError `REGISTRY_UNREACHABLE`
 */
export async function deregisterWithin(
  ms: number,
  instance: ServiceInstance,
  { registry, clock, rng }: { registry: ServiceRegistry; clock: Clock; rng: Rng },
): Promise<void> {
  const end = new AbortController();
  try {
    await within(clock, ms, attempts(), () => unanswered(registry, ms));
  } finally {
    end.abort();
  }

  async function attempts(): Promise<void> {
    for (let attempt = 0; !end.signal.aborted; attempt++) {
      try {
        return await registry.deregister(instance);
      } catch (error) {
        if (attempt + 1 >= MAX_ATTEMPTS) throw error;
      }
      await pause(clock, fullJitter(attempt, BACKOFF, rng), end.signal);
    }
  }
}

export function unanswered(registry: ServiceRegistry, ms: number): RegistryError {
  return new RegistryError('REGISTRY_UNREACHABLE', `${registry.name} did not answer within ${ms} ms`);
}
