import { leaseLost } from '../../../../lib/registry/registry-errors.js';
import type { ServiceInstance } from '../../../../lib/core/instance.js';
import type { Clock } from '../../../../lib/core/clock.js';
import { ScriptedRegistry, unreachable } from './scripted-registry.js';

export type Task = 'register' | 'renew' | 'deregister';

export interface Call {
  readonly task: Task;
  readonly atMs: number;
  readonly instance: ServiceInstance;
  /** Ends a call that hangs. */
  readonly answer: (error?: Error) => void;
}

/** A registry whose every answer is in the test's hands, and which watches that calls never overlap. */
export class HandRegistry extends ScriptedRegistry {
  readonly calls: Call[] = [];
  readonly held = new Map<string, ServiceInstance>();
  /** Tasks that wait for `answer`. */
  readonly hanging = new Set<Task>();
  isAway = false;
  overlaps = 0;
  private running = 0;

  constructor(private readonly clock: Clock) {
    super();
  }

  override register = (instance: ServiceInstance): Promise<void> =>
    this.call('register', instance, () => void this.held.set(instance.instanceId, instance));

  override renew = (instance: ServiceInstance): Promise<void> =>
    this.call('renew', instance, () => {
      if (!this.held.has(instance.instanceId)) throw leaseLost(instance);
    });

  override deregister = (instance: ServiceInstance): Promise<void> =>
    this.call('deregister', instance, () => void this.held.delete(instance.instanceId));

  timesOf(task: Task): number[] {
    return this.calls.filter((call) => call.task === task).map(({ atMs }) => atMs);
  }

  get tasks(): Task[] {
    return this.calls.map(({ task }) => task);
  }

  private async call(task: Task, instance: ServiceInstance, apply: () => void): Promise<void> {
    if (this.running++ > 0) this.overlaps++;
    try {
      await new Promise<void>((resolve, reject) => {
        const answer = (error?: Error) => (error ? reject(error) : resolve());
        this.calls.push({ task, atMs: this.clock.now(), instance, answer });
        if (!this.hanging.has(task)) answer(this.isAway ? unreachable : undefined);
      });
      apply();
    } finally {
      this.running--;
    }
  }
}
