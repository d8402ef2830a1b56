import type { Resolution } from '../registry/service-registry.js';
import { until } from './waiting.js';

/** What a watcher heard, in order. */
export class ResolutionRecorder {
  readonly heard: Resolution[] = [];

  /** Pass it as the listener. */
  readonly listener = (resolution: Resolution): void => {
    this.heard.push(resolution);
  };

  constructor(private readonly timeoutMs: number) {}

  get latest(): Resolution {
    return this.heard.at(-1) ?? { state: 'pending' };
  }

  /** Ids of the instances it knows now, sorted. */
  get ids(): string[] {
    return this.latest.state === 'found' ? this.latest.instances.map(({ instanceId }) => instanceId).sort() : [];
  }

  async sees(state: Resolution['state'], timeoutMs = this.timeoutMs): Promise<void> {
    await until(
      `the watcher hears "${state}"`,
      () => this.latest.state === state,
      timeoutMs,
      () => this.summary(),
    );
  }

  /** Waits until these instances, and no others, are known. */
  async seesExactly(instances: readonly { instanceId: string }[], timeoutMs = this.timeoutMs): Promise<void> {
    const wanted = instances.map(({ instanceId }) => instanceId).sort();
    const isSeen = () => this.ids.length === wanted.length && this.ids.every((id, index) => id === wanted[index]);
    await until(`the watcher sees ${wanted.join(', ') || 'nothing'}`, isSeen, timeoutMs, () => this.summary());
  }

  private summary(): unknown {
    return this.heard.slice(-3).map((resolution) => {
      if (resolution.state === 'found') return resolution.instances.slice(0, 5).map(({ instanceId }) => instanceId);
      return resolution.state === 'failed' ? `failed: ${resolution.error.message}` : resolution.state;
    });
  }
}
