import { INSTANCE_DEFAULTS, type ServiceInstance } from '../core/instance.js';
import type { InstanceQuery } from '../registry/service-registry.js';

/**
 * Last good lists that survive the process, so that it starts with its registry down. A cache: nothing depends on it being there, no
 * method of it fails, and what it returns is checked like any other list.
 *
 * @publicApi
 */
export interface SnapshotStore {
  /** The list saved under a key, unless it is too old, damaged or somebody else's. Called by the resolver when its registry fails. */
  load(key: string): Promise<Snapshot | undefined>;

  /** Replaces the list of a key, some time soon: at most one write per second and key. */
  save(key: string, instances: readonly ServiceInstance[]): void;

  /** Writes what is still unwritten; no timer is left. Called by the owner, after the last `save`; a later one counts again. */
  close(): Promise<void>;
}

export interface Snapshot {
  /** Wall time, ms since 1970. */
  readonly savedAtMs: number;
  /** Records as they were read: unchecked. */
  readonly instances: readonly unknown[];
}

/** What became of the files. Each kind of failure is reported once until it is over. Handlers must not throw. */
export type SnapshotEvent =
  | { readonly type: 'snapshot-ignored'; readonly file: string; readonly problem: string }
  | { readonly type: 'snapshot-unwritable'; readonly file: string; readonly problem: string };

/** Remembers nothing: for `snapshotDir: false`. */
export const noSnapshots: SnapshotStore = {
  load: () => Promise.resolve(undefined),
  save: () => {},
  close: () => Promise.resolve(),
};

/**
 * One list per registry and narrowed query: a list of version 2 must never be started from by who asks for version 1. The same text for
 * the same question, however it is spelled; `healthyOnly` does not count, for lists are kept whatever the health.
 */
export function snapshotKey(registryName: string, serviceName: string, query: InstanceQuery = {}): string {
  return JSON.stringify([
    registryName,
    query.namespaceId ?? INSTANCE_DEFAULTS.namespaceId,
    query.groupName ?? INSTANCE_DEFAULTS.groupName,
    serviceName,
    query.clusterName ?? null,
    query.version ?? null,
    [...new Set(query.tags ?? [])].toSorted(),
    Object.entries(query.metadata ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}
