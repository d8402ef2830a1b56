import type { Clock, Timer } from '../core/clock.js';
import { RegistryError, RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import { spread, type Rng } from '../core/random.js';
import { isServing } from '../registry/instance-query.js';
import type { InstanceQuery, Resolution, ServiceRegistry, Unsubscribe } from '../registry/service-registry.js';
import type { DiscoveryEventBody, OnDiscoveryEvent } from './discovery-event.js';
import { discoverySettings, type DiscoverySettings } from './discovery-options.js';
import { Latch } from './latch.js';
import { GOODBYE_MS, Membership } from './membership.js';
import { Prober, type ProbeInstance } from './prober.js';
import { RecordFilter, type FilteredList } from './record-filter.js';
import { RefusalReport } from './refusal-report.js';
import { snapshotKey, type SnapshotStore } from './snapshot-store.js';

/** A list that never changes is written again this often, ± 20 %: a snapshot counts for 24 h. */
export const SNAPSHOT_REFRESH_MS = 3_600_000;

export interface ResolverInit {
  readonly serviceName: string;
  readonly query?: InstanceQuery | undefined;
  readonly registry: ServiceRegistry;
  readonly snapshots: SnapshotStore;
  readonly probe: ProbeInstance;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly settings?: DiscoverySettings | undefined;
  /** Hears the instances to call, whenever they may have changed. */
  readonly onInstances: (serving: readonly ServiceInstance[]) => void;
  readonly onEvent?: OnDiscoveryEvent | undefined;
}

/**
 * Follows one service and says which instances to use. Neither a registry that fails nor one that answers with nonsense takes the list
 * away: a failure keeps it, a poisoned record is dropped alone, a sudden gap is held until probes confirm it, and a process that starts
 * while its registry is down starts from the last good list on disk.
 *
 * What it opens: a watch, timers and probes; `close` ends them all.
 */
export class Resolver {
  private readonly membership = new Membership();
  private readonly filter: RecordFilter;
  private readonly refusals: RefusalReport;
  private readonly prober: Prober;
  private readonly settled = new Latch();
  private readonly settings: DiscoverySettings;
  private readonly snapshotKey: string;

  private current: Resolution['state'] = 'pending';
  private failure: RookeryError | undefined;
  /** The newest list as the registry told it, filtered. */
  private latest: FilteredList | undefined;
  private hasList = false;
  private isLoading = false;
  private isOpened = false;
  private isClosed = false;
  private unwatch: Unsubscribe | undefined;
  private readonly timers = new Map<'patience' | 'refresh' | 'goodbyes', Timer>();
  private droppedOfHold = 0;

  constructor(private readonly init: ResolverInit) {
    const { serviceName, registry, query, probe, clock, rng, settings = discoverySettings() } = init;
    this.settings = settings;
    this.snapshotKey = snapshotKey(registry.name, serviceName, query);
    this.filter = new RecordFilter(serviceName, settings.addresses, settings.maxInstances);
    this.refusals = new RefusalReport((count, examples) => this.emit({ type: 'records-refused', count, examples }));
    const { maxProbes, holdForMs } = settings;
    this.prober = new Prober({ probe, clock, rng, maxProbes, holdForMs, onGone: (instance) => this.drop(instance) });
  }

  /** The registry's last word. With a list in use it may well be `failed`, or `pending` when the list is from disk. */
  get state(): Resolution['state'] {
    return this.current;
  }

  /** Why the registry does not answer, while `state` is `failed`. */
  get error(): RookeryError | undefined {
    return this.failure;
  }

  /** All instances in use, also those that take no calls. */
  get instances(): readonly ServiceInstance[] {
    return this.membership.instances;
  }

  get isSettled(): boolean {
    return this.settled.isOpen;
  }

  /** Resolves when it is first known what there is (or that nothing can be known), and on `close`. @throws the signal's reason */
  whenSettled(signal?: AbortSignal): Promise<void> {
    return this.settled.wait(signal);
  }

  /** Starts to follow; once. */
  open(): void {
    if (this.isOpened || this.isClosed) return;
    this.isOpened = true;
    const { registry, serviceName, query } = this.init;
    this.startTimer('patience', this.settings.registryPatienceMs, () => void this.startFromSnapshot());
    this.unwatch = registry.watchInstances(serviceName, (resolution) => this.hear(resolution), {
      ...query,
      healthyOnly: false,
    });
  }

  /** An instance said itself that it goes away: it leaves now, without probes. */
  confirmGone(instanceId: string): void {
    const heldBefore = this.membership.heldCount;
    const hasLeft = this.membership.sayGoodbye(instanceId, this.init.clock.now());
    if (this.membership.hasGoodbyes) this.startTimer('goodbyes', GOODBYE_MS, () => this.endGoodbyes());
    this.prober.stop(instanceId);
    if (hasLeft) this.publishLoss(heldBefore);
  }

  close(): void {
    if (this.isClosed) return;
    this.save();
    this.isClosed = true;
    this.unwatch?.();
    this.prober.close();
    for (const timer of this.timers.values()) timer.cancel();
    this.settled.open();
  }

  private hear(resolution: Resolution): void {
    if (this.isClosed || resolution.state === 'pending') return;
    if (resolution.state === 'failed') return this.fail(resolution.error);
    const records: unknown = resolution.state === 'absent' ? [] : resolution.instances;
    if (!Array.isArray(records)) {
      return this.fail(new RegistryError('REGISTRY_UNREACHABLE', `${this.init.registry.name} answered with no list`));
    }
    this.recover(resolution.state);
    this.use(this.filter.apply(records));
    this.settled.open();
  }

  private fail(error: RookeryError): void {
    const isNews = this.current !== 'failed';
    this.current = 'failed';
    this.failure = error;
    if (isNews) this.emit({ type: 'registry-lost', error, kept: this.membership.size });
    void this.startFromSnapshot();
  }

  private recover(state: 'found' | 'absent'): void {
    const wasLost = this.current === 'failed';
    this.current = state;
    this.failure = undefined;
    if (wasLost) this.emit({ type: 'registry-recovered' });
    if (!this.timers.has('refresh')) this.refreshLater();
    this.timers.get('patience')?.cancel();
  }

  /** Only where nothing better is known by the time the file is read. */
  private async startFromSnapshot(): Promise<void> {
    if (this.isLoading || this.hasList) return;
    this.isLoading = true;
    const snapshot = await this.init.snapshots.load(this.snapshotKey);
    this.isLoading = false;
    if (this.isClosed || this.hasList) return;
    const list = snapshot && this.filter.apply(snapshot.instances);
    if (snapshot && list && list.instances.size > 0) {
      this.emit({ type: 'snapshot-used', instances: list.instances.size, savedAtMs: snapshot.savedAtMs });
      this.use(list);
      this.settled.open();
    } else if (this.current === 'failed') {
      this.settled.open();
    }
  }

  private use(list: FilteredList): void {
    this.hasList = true;
    this.latest = list;
    const nowMs = this.init.clock.now();
    this.refusals.add(list, nowMs);
    const heldBefore = this.membership.heldCount;
    const { held, released } = this.membership.replace(list.instances, nowMs);
    for (const id of released) this.prober.stop(id);
    if (held.length > 0) {
      this.emit({ type: 'list-held', listed: this.membership.listedCount, held: this.membership.heldCount });
    }
    this.publish();
    this.endHold(heldBefore);
    for (const instance of held) this.prober.start(instance);
  }

  private drop(instance: ServiceInstance): void {
    const heldBefore = this.membership.heldCount;
    if (this.membership.drop(instance.instanceId)) this.publishLoss(heldBefore);
  }

  private publishLoss(heldBefore: number): void {
    this.droppedOfHold += heldBefore - this.membership.heldCount;
    this.publish();
    this.endHold(heldBefore);
  }

  private endHold(heldBefore: number): void {
    if (heldBefore === 0 || this.membership.heldCount > 0) return;
    this.emit({ type: 'hold-ended', dropped: this.droppedOfHold });
    this.droppedOfHold = 0;
  }

  private publish(): void {
    this.init.onInstances(servingOf(this.membership.instances));
    this.save();
  }

  /**
   * Lists the registry vouched for, and those still held. An empty one is not written: what is on disk is read only while the registry
   * is down, and then an old list is better than none.
   */
  private save(): void {
    const isVouchedFor = this.current === 'found' || this.current === 'absent';
    if (isVouchedFor && this.membership.size > 0) this.init.snapshots.save(this.snapshotKey, this.membership.instances);
  }

  private refreshLater(): void {
    this.startTimer('refresh', spread(SNAPSHOT_REFRESH_MS, 0.2, this.init.rng), () => {
      this.save();
      this.refreshLater();
    });
  }

  /** A registry that still lists them has had its time; one that is away cannot be asked. */
  private endGoodbyes(): void {
    const isCurrent = this.current === 'found' || this.current === 'absent';
    if (isCurrent && this.membership.expireGoodbyes(this.init.clock.now()) && this.latest) this.use(this.latest);
    if (this.membership.hasGoodbyes) this.startTimer('goodbyes', GOODBYE_MS, () => this.endGoodbyes());
  }

  private startTimer(name: 'patience' | 'refresh' | 'goodbyes', delayMs: number, callback: () => void): void {
    if (this.isClosed || this.timers.has(name)) return;
    const timer = this.init.clock.after(delayMs, () => {
      this.timers.delete(name);
      callback();
    });
    this.timers.set(name, timer);
  }

  private emit(event: DiscoveryEventBody): void {
    const { serviceName, registry, onEvent } = this.init;
    onEvent?.({ ...event, serviceName, registry: registry.name });
  }
}

/** Below this share of healthy ones, the registry's view of health is doubted more than the instances are. */
const PANIC_SHARE = 0.5;

/**
 * Those that take calls. Where fewer than half of the ones that are switched on are called healthy, all of them: a registry that lost touch
 * with everybody at once must not take a service down (Envoy's panic threshold).
 */
function servingOf(instances: readonly ServiceInstance[]): ServiceInstance[] {
  const switchedOn = instances.filter(({ enabled, status }) => enabled && status === 'up');
  const healthy = switchedOn.filter(isServing);
  return healthy.length < switchedOn.length * PANIC_SHARE ? switchedOn : healthy;
}
