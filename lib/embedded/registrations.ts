import { isDeepStrictEqual } from 'node:util';

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
  /** Its return, once its time has come. */
  restoring: Promise<void> | undefined;
}

/** A return that has been put off. */
interface Turn {
  readonly timer: Timer;
  /** Resolves when its time has come, or it will not come. */
  readonly over: Promise<void>;
  readonly end: () => void;
}

/**
 * What this process has registered, and its return after the connection broke: the same registry hears of it at once, for it has marked
 * the instances unhealthy meanwhile; one that restarted is given time, for everybody comes back to it.
 *
 * That time is a random part of all of `reregisterJitter` however long the registry was away: who has waited for it longer does not know that
 * the others have, too. Heartbeats and repeated registrations meanwhile wait for their instance's return, so that they spread as it does.
 */
export class Registrations {
  private readonly holdings = new Map<string, Holding>();
  private readonly stopListening: () => void;
  private registryId: string | undefined;
  private turn: Turn | undefined;

  constructor(private readonly init: RegistrationsInit) {
    this.stopListening = init.link.listen({
      onUp: (connection) => this.comeBack(connection),
      onDown: () => this.endTurn(),
    });
  }

  async register(record: ServiceInstance): Promise<void> {
    const key = keyOf(record);
    const known = this.holdings.get(key);
    if (this.turn && known?.record && isDeepStrictEqual(known.record, record)) await this.turn.over;
    const holding = this.holdings.get(key) ?? { record: undefined, writes: 0, restoring: undefined };
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

  async renew(instance: InstanceRef): Promise<void> {
    const holding = this.holdings.get(keyOf(instance));
    if (this.turn && holding) {
      await this.turn.over;
      if (holding.restoring) return holding.restoring;
    }
    await this.lease(RegistryPattern.RENEW, refOf(instance));
  }

  close(): void {
    this.stopListening();
    this.endTurn();
    this.holdings.clear();
  }

  private async lease(pattern: string, data: unknown): Promise<void> {
    const reply = (await this.init.link.ask(pattern, data)) as Partial<LeaseReply> | undefined;
    if (Number.isFinite(reply?.ttlMs) && reply!.ttlMs! > 0) this.init.onLease(reply!.ttlMs!);
  }

  private comeBack({ peer }: ClientConnection): void {
    const before = this.registryId;
    this.registryId = peer.instance;
    if (before === undefined || this.holdings.size === 0) return;
    if (before === peer.instance) return this.restoreAll();
    this.endTurn();
    const { clock, rng, reregisterJitterMs } = this.init;
    const timer = clock.after(rng() * reregisterJitterMs, () => {
      this.restoreAll();
      this.endTurn();
    });
    let end = () => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    this.turn = { timer, over, end };
  }

  private endTurn(): void {
    this.turn?.timer.cancel();
    this.turn?.end();
    this.turn = undefined;
  }

  private restoreAll(): void {
    for (const holding of this.holdings.values()) {
      const restoring = this.restore(holding);
      holding.restoring = restoring;
      const done = () => void (holding.restoring === restoring && (holding.restoring = undefined));
      // What fails here is made good by the next heartbeat, or the next connection.
      restoring.then(done, done);
    }
  }

  /** A record that somebody else has changed meanwhile stays as it is; only one that is gone is put back. */
  private async restore(holding: Holding): Promise<void> {
    const { record } = holding;
    if (record === undefined || holding.writes > 0) return;
    try {
      await this.lease(RegistryPattern.RENEW, refOf(record));
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
