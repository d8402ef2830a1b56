import { RegistryError, type RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import { resolutionOf } from './instance-query.js';
import type { Resolution } from './service-registry.js';

/** `union`: the instances of all registries. `first`: those of the first registry, in order, that has any. */
export type MergeMode = 'union' | 'first';

/** What one of several registries says of a service, and what it said before it failed. */
export class Part {
  private latest: Resolution = { state: 'pending' };
  private lastGood: Resolution | undefined;

  /** `pending` is no news: what was known before it stays known. */
  hear(resolution: Resolution): void {
    if (resolution.state === 'pending') return;
    this.latest = resolution;
    if (resolution.state !== 'failed') this.lastGood = resolution;
  }

  get error(): RookeryError | undefined {
    return this.latest.state === 'failed' ? this.latest.error : undefined;
  }

  get isPending(): boolean {
    return this.latest.state === 'pending';
  }

  /** Its instances, also while it fails: those it named last. */
  get instances(): readonly ServiceInstance[] {
    return this.lastGood?.state === 'found' ? this.lastGood.instances : [];
  }
}

/**
 * One resolution out of several, by what a caller may conclude from it:
 *
 * | the parts | together | because |
 * |---|---|---|
 * | all failed | failed | nobody answers; whoever asks keeps its last good list |
 * | any instances, be they a failed part's last | found | a registry's absence must not shrink the list |
 * | none, and one has not answered yet | pending | it may still bring some |
 * | none, and one failed | failed | only the missing registry could tell whether there are any |
 * | none, and all answered | absent | |
 */
export function mergeResolutions(parts: readonly Part[], mode: MergeMode = 'union'): Resolution {
  const errors = parts.flatMap(({ error }) => error ?? []);
  if (errors.length === parts.length) return failed(errors);
  const instances = mode === 'first' ? firstFound(parts) : union(parts);
  if (instances.length > 0) return { state: 'found', instances };
  if (parts.some(({ isPending }) => isPending)) return { state: 'pending' };
  return errors.length > 0 ? failed(errors) : resolutionOf(instances);
}

/** Of one instance that several registries know, the first registry's record counts; what a failed one said last counts after all others. */
function union(parts: readonly Part[]): ServiceInstance[] {
  const byId = new Map<string, ServiceInstance>();
  const answering = parts.filter(({ error }) => !error);
  for (const { instances } of [...answering, ...parts.filter(({ error }) => error)]) {
    for (const instance of instances) if (!byId.has(instance.instanceId)) byId.set(instance.instanceId, instance);
  }
  return [...byId.values()];
}

/** A registry that has not answered yet is waited for, rather than passed over and returned to a moment later. */
function firstFound(parts: readonly Part[]): readonly ServiceInstance[] {
  return parts.find(({ instances, isPending }) => isPending || instances.length > 0)?.instances ?? [];
}

function failed(errors: readonly RookeryError[]): Resolution {
  return { state: 'failed', error: joinErrors(errors) };
}

/** One error as it is; of several the first one's reason, all messages, and all as the cause. */
export function joinErrors(errors: readonly RookeryError[]): RookeryError {
  const [first] = errors;
  if (first && errors.every((error) => error === first)) return first;
  const message = errors.map((error) => error.message).join('; ');
  return new RegistryError(first?.reason ?? 'REGISTRY_UNREACHABLE', message, {
    cause: new AggregateError(errors, message),
  });
}
