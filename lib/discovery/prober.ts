import type { Clock, Timer } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import { spread, type Rng } from '../core/random.js';

/**
 * Asks an instance whether it is still there: the transport dials it and exchanges hellos.
 *
 * - `true`: it answers, and is who it should be.
 * - `false`: it does not: refused, unreachable, silent within the dial's time limit, or somebody else answers.
 * - a rejection: it could not be asked (no file descriptor left, for one). That tells nothing, and changes nothing.
 *
 * @param signal aborts when nobody wants to know any more
 */
export type ProbeInstance = (instance: ServiceInstance, signal: AbortSignal) => Promise<boolean>;

/** Between two probes of an instance that answers: 1 s, doubled up to 30 s, each ± 50 %. */
export const PROBE_BACKOFF = { initialMs: 1_000, maxMs: 30_000, jitter: 0.5 } as const;

/** A probe that has not ended by then frees its place, and counts as not asked. */
export const PROBE_TIMEOUT_MS = 10_000;

export interface ProberInit {
  readonly probe: ProbeInstance;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly maxProbes: number;
  /** How long an instance is probed before it goes although it answers. */
  readonly holdForMs: number;
  /** It is not there, or its time is over. It is not probed any more. */
  readonly onGone: (instance: ServiceInstance) => void;
}

interface Suspect {
  readonly instance: ServiceInstance;
  readonly untilMs: number;
  probes: number;
  timer?: Timer;
}

/** Probes the instances a registry no longer lists, until they are gone or listed again. */
export class Prober {
  private readonly suspects = new Map<string, Suspect>();
  private readonly due = new Set<Suspect>();
  /** Each ends a running probe. */
  private readonly asking = new Set<() => void>();
  private running = 0;
  private isClosed = false;

  constructor(private readonly init: ProberInit) {}

  /** Probes it now, and from then on with backoff. */
  start(instance: ServiceInstance): void {
    if (this.isClosed || this.suspects.has(instance.instanceId)) return;
    const suspect: Suspect = { instance, untilMs: this.init.clock.now() + this.init.holdForMs, probes: 0 };
    this.suspects.set(instance.instanceId, suspect);
    this.enqueue(suspect);
  }

  /** Its fate is known otherwise. */
  stop(instanceId: string): void {
    const suspect = this.suspects.get(instanceId);
    if (suspect === undefined) return;
    suspect.timer?.cancel();
    this.due.delete(suspect);
    this.suspects.delete(instanceId);
  }

  close(): void {
    this.isClosed = true;
    for (const id of this.suspects.keys()) this.stop(id);
    for (const giveUp of this.asking) giveUp();
  }

  private enqueue(suspect: Suspect): void {
    this.due.add(suspect);
    this.runDue();
  }

  private runDue(): void {
    for (const suspect of this.due) {
      if (this.running >= this.init.maxProbes) return;
      this.due.delete(suspect);
      void this.run(suspect);
    }
  }

  private async run(suspect: Suspect): Promise<void> {
    this.running++;
    const isThere = await this.ask(suspect.instance);
    this.running--;
    if (this.suspects.get(suspect.instance.instanceId) === suspect) this.conclude(suspect, isThere);
    this.runDue();
  }

  private conclude(suspect: Suspect, isThere: boolean | undefined): void {
    const { clock, rng, onGone } = this.init;
    const leftMs = suspect.untilMs - clock.now();
    if (isThere === false || leftMs <= 0) {
      this.stop(suspect.instance.instanceId);
      return onGone(suspect.instance);
    }
    const { initialMs, maxMs, jitter } = PROBE_BACKOFF;
    const delayMs = spread(Math.min(maxMs, initialMs * 2 ** Math.min(suspect.probes++, 10)), jitter, rng);
    suspect.timer = clock.after(Math.min(delayMs, leftMs), () => this.enqueue(suspect));
  }

  /** `undefined` where it could not be asked. Never rejects. */
  private ask(instance: ServiceInstance): Promise<boolean | undefined> {
    return new Promise((resolve) => {
      const abort = new AbortController();
      const end = (isThere: boolean | undefined) => {
        timer.cancel();
        this.asking.delete(giveUp);
        resolve(isThere);
      };
      const giveUp = () => {
        abort.abort();
        end(undefined);
      };
      const timer = this.init.clock.after(PROBE_TIMEOUT_MS, giveUp);
      this.asking.add(giveUp);
      startProbe(this.init.probe, instance, abort.signal).then(end, () => end(undefined));
    });
  }
}

/** A probe that throws before it returns a promise is one that could not be asked, too. */
async function startProbe(probe: ProbeInstance, instance: ServiceInstance, signal: AbortSignal): Promise<boolean> {
  return probe(instance, signal);
}
