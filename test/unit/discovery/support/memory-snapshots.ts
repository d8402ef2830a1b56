import type { ServiceInstance } from '../../../../lib/core/instance.js';
import type { Snapshot, SnapshotStore } from '../../../../lib/discovery/snapshot-store.js';

/** A disk in memory. */
export class MemorySnapshots implements SnapshotStore {
  readonly saved = new Map<string, readonly ServiceInstance[]>();
  saves = 0;
  loads = 0;

  constructor(private readonly onDisk?: readonly unknown[]) {}

  async load(): Promise<Snapshot | undefined> {
    this.loads++;
    return this.onDisk && { savedAtMs: 1_700_000_000_000, instances: this.onDisk };
  }

  save(key: string, instances: readonly ServiceInstance[]): void {
    this.saves++;
    this.saved.set(key, [...instances]);
  }

  async close(): Promise<void> {}
}
