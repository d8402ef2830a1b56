import { instanceAddress, isAnonymous, type ServiceInstance } from '../core/instance.js';
import { isServing } from '../registry/instance-query.js';

/** A list is judged against the largest of this long: a registry that loses its instances one lease at a time shrinks just as much. */
export const SHRINK_WINDOW_MS = 60_000;

/** How long an instance's goodbye outweighs a registry that still lists it. */
export const GOODBYE_MS = 60_000;

export interface MembershipChange {
  /** Vanished from the list, and stay in use until probes tell. */
  readonly held: readonly ServiceInstance[];
  /** Ids that were held and are no longer: listed again, or another process lives at their address. */
  readonly released: readonly string[];
}

/**
 * Which instances of a service are in use: those the registry lists, and those *held* because they vanished from a list that shrank to
 * nothing or by more than half. What is held leaves by probe, by goodbye or by being listed again, never by a later list.
 */
export class Membership {
  private listed = new Map<string, ServiceInstance>();
  private readonly held = new Map<string, ServiceInstance>();
  /** Ids that said goodbye, and until when that counts. */
  private readonly goodbyes = new Map<string, number>();
  private peakSize = 0;
  private peakAtMs = 0;

  get size(): number {
    return this.listed.size + this.held.size;
  }

  get listedCount(): number {
    return this.listed.size;
  }

  get heldCount(): number {
    return this.held.size;
  }

  get hasGoodbyes(): boolean {
    return this.goodbyes.size > 0;
  }

  get instances(): ServiceInstance[] {
    return [...this.held.values(), ...this.listed.values()];
  }

  /** The registry's (or a snapshot's) newest list. */
  replace(list: ReadonlyMap<string, ServiceInstance>, nowMs: number): MembershipChange {
    this.rememberPeak(nowMs);
    const next = this.withoutGone(list);
    const isShrunk = next.size === 0 || next.size * 2 < this.peakSize;

    const missing = this.missingFrom(next);
    const released = [...this.held.keys()].filter((id) => next.has(id));
    for (const id of released) this.held.delete(id);
    for (const instance of isShrunk ? missing : []) this.held.set(instance.instanceId, instance);
    const replaced = this.dropReplaced(next);
    this.forgetHeeded(list);
    this.listed = next;
    return {
      held: missing.filter(({ instanceId }) => this.held.has(instanceId)),
      released: [...released, ...replaced],
    };
  }

  /** A probe was refused, or the hold ran out. */
  drop(instanceId: string): boolean {
    const wasHeld = this.held.delete(instanceId);
    if (wasHeld) this.peakSize--;
    return wasHeld;
  }

  /**
   * The instance itself said that it goes. It leaves, and stays away for a minute though the registry may lag behind. Where the id is
   * only the address (static lists, DNS) a restarted process has the same one: such an entry stays listed, and merely is not held.
   *
   * @returns whether it left
   */
  sayGoodbye(instanceId: string, nowMs: number): boolean {
    if (this.drop(instanceId)) return true;
    const instance = this.listed.get(instanceId);
    if (instance === undefined) return false;
    this.goodbyes.set(instanceId, nowMs + GOODBYE_MS);
    if (isAnonymous(instance)) return false;
    this.peakSize--;
    return this.listed.delete(instanceId);
  }

  /** Forgets goodbyes that are over. @returns whether there were any: the last list counts again in full */
  expireGoodbyes(nowMs: number): boolean {
    let expired = false;
    for (const [id, untilMs] of this.goodbyes) if (untilMs <= nowMs) expired = this.goodbyes.delete(id);
    return expired;
  }

  /** Those whose absence means something: they took calls, and did not say goodbye. */
  private missingFrom(next: ReadonlyMap<string, ServiceInstance>): ServiceInstance[] {
    const missing: ServiceInstance[] = [];
    for (const [id, instance] of this.listed) {
      if (next.has(id)) continue;
      if (this.goodbyes.has(id)) this.peakSize--;
      else if (isServing(instance)) missing.push(instance);
    }
    return missing;
  }

  /** An address is home to one process: what is held at an address that is listed under another id has been restarted. */
  private dropReplaced(next: ReadonlyMap<string, ServiceInstance>): string[] {
    if (this.held.size === 0) return [];
    const addresses = new Set([...next.values()].map(instanceAddress));
    const replaced = [...this.held.values()].filter((instance) => addresses.has(instanceAddress(instance)));
    for (const { instanceId } of replaced) this.held.delete(instanceId);
    return replaced.map(({ instanceId }) => instanceId);
  }

  private rememberPeak(nowMs: number): void {
    if (this.size < this.peakSize && nowMs - this.peakAtMs <= SHRINK_WINDOW_MS) return;
    this.peakSize = this.size;
    this.peakAtMs = nowMs;
  }

  private withoutGone(list: ReadonlyMap<string, ServiceInstance>): Map<string, ServiceInstance> {
    const next = new Map(list);
    for (const id of this.goodbyes.keys()) {
      const instance = next.get(id);
      if (instance !== undefined && !isAnonymous(instance)) next.delete(id);
    }
    return next;
  }

  /** The registry has seen them go: listed once more, they are back. */
  private forgetHeeded(list: ReadonlyMap<string, ServiceInstance>): void {
    for (const id of this.goodbyes.keys()) if (!list.has(id)) this.goodbyes.delete(id);
  }
}
