import { guarded } from './change-feed.js';
import type { Resolution, ResolutionListener } from './service-registry.js';

/**
 * Brings the newest state of a service to one listener: never inside the caller's stack, once for all changes of one turn, and only when
 * it differs from what the listener heard last. Every adapter in this folder delivers through it; yours may as well.
 */
export class ResolutionDelivery {
  private last: Resolution | undefined;
  private isQueued = false;
  private isStopped = false;

  /**
   * @param read the state at the time of the call; where it is `pending` nothing is said, as there is nothing to say
   */
  constructor(
    private readonly read: () => Resolution,
    private readonly listener: ResolutionListener,
  ) {}

  /** Something may have changed. */
  readonly changed = (): void => {
    if (this.isQueued || this.isStopped) return;
    this.isQueued = true;
    queueMicrotask(() => this.deliver());
  };

  /** No call of the listener from now on, not even one that is under way. */
  readonly stop = (): void => {
    this.isStopped = true;
  };

  private deliver(): void {
    this.isQueued = false;
    if (this.isStopped) return;
    const resolution = this.read();
    if (resolution.state === 'pending' || isSame(resolution, this.last)) return;
    this.last = resolution;
    guarded(this.listener, resolution);
  }
}

/** Records are immutable, so the same records mean the same state. */
function isSame(one: Resolution, other: Resolution | undefined): boolean {
  if (one.state !== other?.state) return false;
  if (one.state === 'failed') return one.error === (other as typeof one).error;
  if (one.state !== 'found') return true;
  const known = (other as typeof one).instances;
  return one.instances.length === known.length && one.instances.every((instance, index) => instance === known[index]);
}
