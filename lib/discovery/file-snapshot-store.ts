import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

import { systemClock, type Clock, type Timer } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import { nameOption } from '../core/options.js';
import { PrivateFolder } from './private-folder.js';
import { decodeSnapshot, encodeSnapshot, MAX_SNAPSHOT_BYTES, snapshotFileName } from './snapshot-file.js';
import { noSnapshots, type Snapshot, type SnapshotEvent, type SnapshotStore } from './snapshot-store.js';

/** Older lists are not started from. */
export const MAX_SNAPSHOT_AGE_MS = 24 * 3_600_000;

/** Between two writes of one list. */
export const WRITE_INTERVAL_MS = 1_000;

/** No write takes so long: its process was killed. */
const KILLED_WRITE_MS = 3_600_000;

export interface SnapshotStoreOptions {
  /**
   * The folder, made with mode 0700 where it is missing; `false` keeps nothing on disk.
   * @default `rookery` in `$XDG_CACHE_HOME`, or in `~/.cache`
   */
  snapshotDir?: string | false | undefined;
  clock?: Clock | undefined;
  /** Wall time in ms since 1970: the age of a file outlives every monotonic clock. */
  wallNow?: (() => number) | undefined;
  onEvent?: ((event: SnapshotEvent) => void) | undefined;
}

/** The store of one process. Touches no file before the first `load` or `save`. @throws ConfigurationError `OPTION_INVALID` */
export function snapshotStore(options: SnapshotStoreOptions = {}): SnapshotStore {
  const { snapshotDir, clock = systemClock, wallNow = Date.now, onEvent = () => {} } = options;
  if (snapshotDir === false) return noSnapshots;
  const path = snapshotDir === undefined ? defaultFolder() : resolve(nameOption('snapshotDir', snapshotDir));
  return path === undefined ? noSnapshots : new FileSnapshotStore(new PrivateFolder(path), clock, wallNow, onEvent);
}

/** One file a list. */
class FileSnapshotStore implements SnapshotStore {
  private readonly writers = new Map<string, Writer>();
  private isUnwritable = false;
  private swept: Promise<void> | undefined;

  constructor(
    private readonly folder: PrivateFolder,
    private readonly clock: Clock,
    private readonly wallNow: () => number,
    private readonly onEvent: (event: SnapshotEvent) => void,
  ) {}

  async load(key: string): Promise<Snapshot | undefined> {
    const name = snapshotFileName(key);
    const read = await this.folder.read(name, MAX_SNAPSHOT_BYTES).catch(problemOf);
    if (read === undefined) return undefined;
    const snapshot = typeof read === 'string' ? read : decodeSnapshot(read, key, this.wallNow(), MAX_SNAPSHOT_AGE_MS);
    if (typeof snapshot !== 'string') return snapshot;
    this.onEvent({ type: 'snapshot-ignored', file: join(this.folder.path, name), problem: snapshot });
    return undefined;
  }

  save(key: string, instances: readonly ServiceInstance[]): void {
    const writer: Writer = this.writers.get(key) ?? { done: Promise.resolve() };
    this.writers.set(key, writer);
    writer.unwritten = instances;
    writer.timer ??= this.clock.after(WRITE_INTERVAL_MS, () => this.flush(key, writer));
  }

  async close(): Promise<void> {
    for (const [key, writer] of this.writers) this.flush(key, writer);
    await Promise.all([...this.writers.values()].map(({ done }) => done));
    await this.swept;
  }

  private flush(key: string, writer: Writer): void {
    writer.timer?.cancel();
    delete writer.timer;
    writer.done = writer.done.then(() => this.write(key, writer));
  }

  /** The newest list, when its turn comes; never rejects. */
  private async write(key: string, writer: Writer): Promise<void> {
    const { unwritten } = writer;
    if (unwritten === undefined) return;
    delete writer.unwritten;
    const name = snapshotFileName(key);
    const content = encodeSnapshot(key, this.wallNow(), unwritten);
    if (content.length > MAX_SNAPSHOT_BYTES) {
      if (!writer.isTooLarge)
        this.unwritable(name, `would have ${content.length} bytes, the limit is ${MAX_SNAPSHOT_BYTES}`);
      writer.isTooLarge = true;
      return;
    }
    const problem = await this.folder.write(name, content).catch(problemOf);
    if (problem !== undefined && !this.isUnwritable) this.unwritable(name, problem);
    this.isUnwritable = problem !== undefined;
    this.swept ??= this.sweep();
  }

  private unwritable(name: string, problem: string): void {
    this.onEvent({ type: 'snapshot-unwritable', file: join(this.folder.path, name), problem });
  }

  /** Tidying up: not worth a report. */
  private async sweep(): Promise<void> {
    await this.folder.sweep(/^[0-9a-f]{40}\.snapshot\.[0-9a-f]{12}\.tmp$/, KILLED_WRITE_MS).catch(() => {});
    await this.folder.sweep(/^[0-9a-f]{40}\.snapshot$/, MAX_SNAPSHOT_AGE_MS).catch(() => {});
  }
}

interface Writer {
  unwritten?: readonly ServiceInstance[];
  timer?: Timer;
  isTooLarge?: boolean;
  done: Promise<void>;
}

/** The XDG base directory specification: a relative `XDG_CACHE_HOME` does not count. */
function defaultFolder(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'];
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'rookery');
  try {
    return join(homedir(), '.cache', 'rookery');
  } catch {
    return undefined; // a user without a home, as in some containers
  }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
