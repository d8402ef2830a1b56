import type { Clock, Timer } from '../core/clock.js';
import { ConfigurationError, RookeryError } from '../core/errors.js';
import { serviceInstance, type ServiceInstance } from '../core/instance.js';
import type { Rng } from '../core/random.js';
import type { ServiceRegistry } from '../registry/service-registry.js';
import { deregisterWithin, unanswered } from './farewell.js';
import { Latch } from './latch.js';
import type { RegistrarEvent, RegistrarState, RegistrarTask } from './registrar-event.js';
import {
  heartbeatDelay,
  LOST_AGAIN_MS,
  registrarSettings,
  retryDelay,
  returnDelay,
  type RegistrarOptions,
  type RegistrarSettings,
} from './registrar-timing.js';
import { within } from './within.js';

export interface RegistrarInit {
  readonly registry: ServiceRegistry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly options?: RegistrarOptions | undefined;
  readonly onStateChanged?: ((state: RegistrarState, previous: RegistrarState) => void) | undefined;
  readonly onEvent?: ((event: RegistrarEvent) => void) | undefined;
}

/** What may change of an instance while it runs; each field given replaces the old one as a whole. */
export type InstancePatch = Partial<Pick<ServiceInstance, 'weight' | 'metadata' | 'status'>>;

/**
 * Holds one instance in a registry from `start` to `drain`: registers until it works, keeps the lease, registers again when the registry
 * forgot it. One call to the registry at a time: the next begins when the last has ended, or has been given up as unanswered.
 */
export class Registrar {
  private readonly settings: RegistrarSettings;
  private readonly registered = new Latch();
  private current: RegistrarState = 'idle';
  private record: ServiceInstance | undefined;
  /** The registry does not have the record as it is now. */
  private isStale = false;
  private failures = 0;
  /** The last wait after a failure, in ms, while there is a failure to recover from. */
  private waitedMs: number | undefined;
  private aliveAtMs = 0;
  private lostAtMs = -Infinity;
  private inFlight: Promise<void> | undefined;
  private timer: Timer | undefined;
  /** The deregister is on its way. */
  private hasLeft = false;
  private leaving: Promise<void> | undefined;

  /** @throws ConfigurationError `OPTION_INVALID` */
  constructor(private readonly init: RegistrarInit) {
    this.settings = registrarSettings(init.options);
  }

  get state(): RegistrarState {
    return this.current;
  }

  /** The record as it is announced. */
  get instance(): ServiceInstance | undefined {
    return this.record;
  }

  /**
   * Begins to announce the instance. Never gives up.
   *
   * @returns resolves when the registry has it for the first time, or on `drain`; never rejects, and need not be waited for
   * @throws ConfigurationError `OPTION_INVALID` when called twice
   */
  start(instance: ServiceInstance): Promise<void> {
    if (this.current !== 'idle') throw misuse('start: this registrar has been started; make one per instance');
    this.record = instance;
    this.isStale = true;
    this.aliveAtMs = this.init.clock.now();
    this.become('registering');
    this.act();
    return this.registered.wait();
  }

  /**
   * Announces the instance with other weight, metadata or status, as soon as the registry takes it. Without effect after `drain`.
   *
   * @throws RookeryError `INSTANCE_INVALID`; ConfigurationError `OPTION_INVALID` before `start`
   */
  update(patch: InstancePatch): void {
    if (!this.record) throw misuse('update: there is no instance before start()');
    if (!this.isActive) return;
    this.record = serviceInstance({ ...this.record, ...patch });
    this.isStale = true;
    if (this.failures === 0 && this.current !== 'lost') this.act();
  }

  /**
   * Takes the instance out of the registry, now, and ends the heartbeats. A register in progress is waited for, for half of the time
   * at most; should it arrive after the deregister all the same, it is taken back.
   *
   * @returns resolves after `drainTimeout` at the latest, whether or not it worked; never rejects. Every call returns the same promise.
   */
  drain(): Promise<void> {
    return (this.leaving ??= this.leave());
  }

  /** `drain`, and the end. */
  async close(): Promise<void> {
    await this.drain();
    this.become('closed');
  }

  private get isActive(): boolean {
    return this.current === 'registering' || this.current === 'registered' || this.current === 'lost';
  }

  /** The one place from which the registry is called while active. */
  private act(): void {
    this.timer?.cancel();
    if (this.inFlight) return;
    this.inFlight = this.perform(this.isStale || this.current !== 'registered' ? 'register' : 'renew');
  }

  private async perform(task: RegistrarTask): Promise<void> {
    const startedAtMs = this.init.clock.now();
    const delayMs = await this.call(task).then(
      () => this.succeed(startedAtMs),
      (error: unknown) => this.fail(task, error),
    );
    this.inFlight = undefined;
    if (!this.isActive || delayMs === undefined) return;
    if (delayMs === 0) this.act();
    else this.timer = this.init.clock.after(delayMs, () => this.act());
  }

  private async call(task: RegistrarTask): Promise<void> {
    const { registry, clock } = this.init;
    const record = this.record!;
    let isGivenUp = false;
    const answer = ask(registry, task, record);
    if (task === 'register') {
      this.isStale = false;
      answer.then(() => (isGivenUp || this.hasLeft) && this.arrivedLate(), ignore);
    }
    try {
      await within(clock, this.settings.callTimeoutMs, answer, () => unanswered(registry, this.settings.callTimeoutMs));
    } catch (error) {
      isGivenUp = true;
      if (task === 'register') this.isStale = true;
      throw error;
    }
    if (task === 'register') this.hasRegistered(record);
  }

  private hasRegistered(instance: ServiceInstance): void {
    if (!this.isActive) return;
    this.become('registered');
    this.emit({ type: 'registered', instance });
    this.registered.open();
  }

  /** @returns until the next heartbeat, 0 where the record changed meanwhile, `undefined` where nothing is left to do */
  private succeed(startedAtMs: number): number | undefined {
    const { registry, clock, rng } = this.init;
    this.failures = 0;
    this.waitedMs = undefined;
    this.aliveAtMs = startedAtMs;
    if (this.isStale) return 0;
    const delayMs = heartbeatDelay(this.settings.heartbeatMs, registry.leaseTtlMs, rng);
    return delayMs && Math.max(1, delayMs - (clock.now() - startedAtMs));
  }

  /** @returns until the next attempt */
  private fail(task: RegistrarTask, error: unknown): number {
    if (!this.isActive) return 0;
    const instance = this.record!;
    if (task === 'renew' && isLeaseLost(error)) {
      const retryInMs = this.lose();
      this.emit({ type: 'lease-lost', instance, retryInMs });
      return retryInMs;
    }
    const { registry, clock, rng } = this.init;
    const retryInMs = retryDelay(this.failures++, rng);
    this.waitedMs = retryInMs;
    if (this.current === 'registered' && clock.now() - this.aliveAtMs > (registry.leaseTtlMs ?? Infinity))
      this.become('lost');
    this.emit({ type: 'attempt-failed', instance, task, error, attempt: this.failures, retryInMs });
    return retryInMs;
  }

  private lose(): number {
    const nowMs = this.init.clock.now();
    const past = { waitedMs: this.waitedMs, lostAgain: nowMs - this.lostAtMs < LOST_AGAIN_MS };
    this.failures = 0;
    this.waitedMs = undefined;
    this.lostAtMs = nowMs;
    this.become('lost');
    return Math.max(1, returnDelay(this.settings, past, this.init.rng));
  }

  /** A register that was given up has landed after all: over a newer record, or over a farewell. */
  private arrivedLate(): void {
    const instance = this.record!;
    if (!this.isActive) void this.drain().then(() => this.init.registry.deregister(instance).catch(ignore));
    else if (this.current === 'registered') {
      this.isStale = true;
      this.act();
    }
  }

  private async leave(): Promise<void> {
    this.timer?.cancel();
    const instance = this.record;
    this.become('draining');
    this.registered.open();
    if (!instance) return;
    const { registry, clock } = this.init;
    const endMs = clock.now() + this.settings.drainTimeoutMs;
    const halfMs = this.settings.drainTimeoutMs / 2;
    if (this.inFlight) await within(clock, halfMs, this.inFlight, () => unanswered(registry, halfMs)).catch(ignore);
    this.hasLeft = true;
    await deregisterWithin(endMs - clock.now(), instance, this.init).then(
      () => this.emit({ type: 'deregistered', instance }),
      (error: unknown) => this.emit({ type: 'deregister-failed', instance, error }),
    );
  }

  private become(state: RegistrarState): void {
    const previous = this.current;
    if (previous === state) return;
    this.current = state;
    this.init.onStateChanged?.(state, previous);
  }

  private emit(event: RegistrarEvent): void {
    this.init.onEvent?.(event);
  }
}

/** A call that throws at once is one that failed. */
async function ask(registry: ServiceRegistry, task: RegistrarTask, instance: ServiceInstance): Promise<void> {
  return task === 'register' ? registry.register(instance) : registry.renew(instance);
}

function isLeaseLost(error: unknown): boolean {
  return RookeryError.is(error) && error.reason === 'LEASE_LOST';
}

function misuse(message: string): ConfigurationError {
  return new ConfigurationError('OPTION_INVALID', message);
}

function ignore(): void {}
