import type { Clock, Timer } from '../core/clock.js';
import { RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import type { Rng } from '../core/random.js';
import type { InstanceRef } from '../registry/instance-table.js';
import type { ClientConnection } from '../transport/client-connection.js';
import type { RegistryLink } from './registry-link.js';
import { RegistryPattern, type LeaseReply } from './registry-protocol.js';

export interface RegistrationsInit {
  readonly link: RegistryLink;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Over which everybody's return to a registry that restarted is spread, in ms. */
  readonly reregisterJitterMs: number;
  /** What the registry says its lease is. */
  readonly onLease: (ttlMs: number) => void;
}

/** An instance this process has announced. */
interface Holding {
  /** As the registry confirmed it last. */
  record: ServiceInstance | undefined;
  /** Writes under way; who writes knows better than what was confirmed before. */
  writes: number;
}

/**
 * What this process has registered, and its return after the connection broke: the same registry hears of it at once, for it has marked
 * the instances unhealthy meanwhile; one that restarted is given time, for everybody comes back to it.
 */
export class Registrations {
  private readonly holdings = new Map<string, Holding>();
  private readonly stopListening: () => void;
  private registryId: string | undefined;
  private timer: Timer | undefined;

  constructor(private readonly init: RegistrationsInit) {
    this.stopListening = init.link.listen({
      onUp: (connection, waitedMs) => this.comeBack(connection, waitedMs),
      onDown: () => this.timer?.cancel(),
    });
  }

  async register(record: ServiceInstance): Promise<void> {
    const key = keyOf(record);
    const holding = this.holdings.get(key) ?? { record: undefined, writes: 0 };
    this.holdings.set(key, holding);
    holding.writes++;
    try {
      await this.lease(RegistryPattern.REGISTER, record);
      holding.record = record;
    } finally {
      holding.writes--;
      const isOfNoUse = holding.record === undefined && holding.writes === 0;
      if (isOfNoUse && this.holdings.get(key) === holding) this.holdings.delete(key);
    }
  }

  /** From now on it does not come back by itself, whatever the registry answers. */
  async deregister(instance: InstanceRef): Promise<void> {
    this.holdings.delete(keyOf(instance));
    await this.init.link.ask(RegistryPattern.DEREGISTER, refOf(instance));
  }

  renew(instance: InstanceRef): Promise<void> {
    return this.lease(RegistryPattern.RENEW, refOf(instance));
  }

  close(): void {
    this.stopListening();
    this.timer?.cancel();
    this.holdings.clear();
  }

  private async lease(pattern: string, data: unknown): Promise<void> {
    const reply = (await this.init.link.ask(pattern, data)) as Partial<LeaseReply> | undefined;
    if (Number.isFinite(reply?.ttlMs) && reply!.ttlMs! > 0) this.init.onLease(reply!.ttlMs!);
  }

  private comeBack({ peer }: ClientConnection, waitedMs: number): void {
    const before = this.registryId;
    this.registryId = peer.instance;
    if (before === undefined || this.holdings.size === 0) return;
    const { clock, rng, reregisterJitterMs } = this.init;
    const delayMs = before === peer.instance ? 0 : rng() * Math.max(0, reregisterJitterMs - waitedMs);
    this.timer?.cancel();
    this.timer = clock.after(delayMs, () => this.restoreAll());
  }

  private restoreAll(): void {
    for (const holding of this.holdings.values()) {
      // What fails here is made good by the next heartbeat, or the next connection.
      void this.restore(holding).catch(() => undefined);
    }
  }

  /** A record that somebody else has changed meanwhile stays as it is; only one that is gone is put back. */
  private async restore(holding: Holding): Promise<void> {
    const { record } = holding;
    if (record === undefined || holding.writes > 0) return;
    try {
      await this.renew(record);
    } catch (error) {
      const isWanted = this.holdings.get(keyOf(record)) === holding && holding.writes === 0;
      if (isWanted && RookeryError.is(error) && error.reason === 'LEASE_LOST') await this.register(record);
    }
  }
}

function refOf({ namespaceId, groupName, serviceName, instanceId }: InstanceRef): InstanceRef {
  return { namespaceId, groupName, serviceName, instanceId };
}

/** Names hold no slashes. */
function keyOf({ namespaceId, groupName, serviceName, instanceId }: InstanceRef): string {
  return [namespaceId, groupName, serviceName, instanceId].join('/');
}
