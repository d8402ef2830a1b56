import type { ServiceInstance } from '../../core/instance.js';
import { messageOf, unwritable } from './journal-errors.js';
import { journalLine, type JournalEntry } from './journal-entry.js';
import type { JournalFolder } from './journal-folder.js';
import { JournalLog } from './journal-log.js';
import { writeSnapshot } from './snapshot-writer.js';

export interface JournalInit {
  readonly folder: JournalFolder;
  readonly registryId: string;
  /** The last that was used before. */
  readonly generation: number;
  /** The instances as they are now. */
  readonly state: () => readonly ServiceInstance[];
  /** Tells an operator, in a sentence. */
  readonly report: (message: string) => void;
  /** A log of this size is replaced by a snapshot, unless the last snapshot was larger than half of it. @default 8 MiB */
  readonly maxLogBytes?: number | undefined;
}

interface Write {
  readonly line: string;
  settle(): void;
  fail(error: Error): void;
}

const MAX_LOG_BYTES = 8 * 1024 * 1024;

/** Lines written together; longer queues take several syncs. */
const BATCH_CHARS = 1024 * 1024;

/** After a failure, writes are refused for this long before the disk is tried again. */
const RETRY_MS = 1_000;

/**
 * What survives the process: a log of changes, each written and synced before it counts, and from time to time a snapshot in its place.
 *
 * Writes of one turn of the event loop, and those that come while the disk is busy, share one sync. When a write or a sync fails the log is
 * given up, for nobody knows what it holds then; the next generation begins with a snapshot of what counts. Until that succeeds every
 * write is refused, and what it would have changed stays as it is. Writes wait here as calls in flight, whose number the transport bounds.
 */
export class Journal {
  private readonly queue: Write[] = [];
  private log: JournalLog | undefined;
  private generation: number;
  /** That of the newest snapshot. */
  private snapshotOf = 0;
  private snapshotBytes = 0;
  private failure: Error | undefined;
  private failedAtMs = -Infinity;
  private running: Promise<void> | undefined;
  private compaction: Promise<void> | undefined;
  /** A compaction that failed is tried again when the log has grown to this. */
  private compactAtBytes = 0;
  private isClosed = false;

  constructor(private readonly init: JournalInit) {
    this.generation = init.generation;
  }

  /** False while writes are refused. */
  get isWritable(): boolean {
    return this.failure === undefined;
  }

  /** Begins a generation with a snapshot. Never rejects: where the disk refuses, so do writes, until it does not. */
  async open(): Promise<void> {
    await this.begin().catch((error: unknown) => this.giveUp(error));
  }

  /**
   * @param apply makes the change; called when it is on the disk, in the order of the calls, at once with the sync
   * @returns what `apply` returns, or throws @throws RegistryError `REGISTRY_READ_ONLY`
   */
  write<T>(entry: JournalEntry, apply: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        try {
          resolve(apply());
        } catch (error) {
          reject(error);
        }
      };
      this.enqueue({ line: journalLine(entry), settle, fail: reject });
    });
  }

  /** Writes down a change that was made already, and that nobody waits for. */
  note(entry: JournalEntry): void {
    this.enqueue({ line: journalLine(entry), settle: ignore, fail: ignore });
  }

  /** Writes what waits, and lets go of the files. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
    await this.compaction;
    await this.log?.close();
    this.log = undefined;
  }

  private enqueue(write: Write): void {
    if (this.isClosed) return write.fail(unwritable(this.init.folder.path, 'it was closed'));
    this.queue.push(write);
    this.running ??= this.run();
  }

  private async run(): Promise<void> {
    // What else comes in this turn comes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.queue.length > 0) await this.commit(this.takeBatch());
    // In the same step as the look at the queue: what comes later starts anew.
    this.running = undefined;
  }

  private takeBatch(): Write[] {
    let chars = 0;
    const end = this.queue.findIndex(({ line }) => (chars += line.length) > BATCH_CHARS);
    return this.queue.splice(0, end < 0 ? this.queue.length : Math.max(1, end));
  }

  private async commit(batch: readonly Write[]): Promise<void> {
    try {
      const log = this.log ?? (await this.beginAgain());
      await log.append(batch.map(({ line }) => line).join(''));
    } catch (error) {
      await this.giveUp(error);
      const refusal = unwritable(this.init.folder.path, this.failure);
      for (const write of batch) write.fail(refusal);
      return;
    }
    for (const write of batch) write.settle();
    await this.compactIfLong();
  }

  private async beginAgain(): Promise<JournalLog> {
    if (this.failure && performance.now() - this.failedAtMs < RETRY_MS) throw this.failure;
    const log = await this.begin();
    this.init.report(`the registry can write to ${this.init.folder.path} again, and takes changes`);
    return log;
  }

  private async begin(): Promise<JournalLog> {
    const { folder, registryId } = this.init;
    this.generation++;
    await this.compaction;
    await this.snapshot(this.generation);
    this.log = await JournalLog.create(folder, this.generation, registryId);
    this.failure = undefined;
    return this.log;
  }

  private async giveUp(error: unknown): Promise<void> {
    const { log } = this;
    this.log = undefined;
    await log?.close();
    if (error === this.failure) return;
    if (!this.failure) this.init.report(unwritable(this.init.folder.path, error).message);
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.failedAtMs = performance.now();
  }

  private async compactIfLong(): Promise<void> {
    const { log } = this;
    if (!log || this.compaction || log.bytes < Math.max(this.maxLogBytes, this.snapshotBytes * 2, this.compactAtBytes))
      return;
    try {
      // Where the last snapshot failed, its log is still the one that is written.
      if (this.snapshotOf === this.generation) await this.turnOver(log);
    } catch (error) {
      this.compactAtBytes = log.bytes * 2;
      return this.init.report(`the registry cannot compact its log, and goes on with it: ${messageOf(error)}`);
    }
    this.compaction = this.compact().finally(() => (this.compaction = undefined));
  }

  private get maxLogBytes(): number {
    return this.init.maxLogBytes ?? MAX_LOG_BYTES;
  }

  /** From now on the next generation's log is written. */
  private async turnOver(log: JournalLog): Promise<void> {
    this.log = await JournalLog.create(this.init.folder, this.generation + 1, this.init.registryId);
    this.generation++;
    await log.close();
  }

  /** Never rejects. Changes that are made meanwhile are in the log, and perhaps in the snapshot too, which says the same. */
  private async compact(): Promise<void> {
    try {
      await this.snapshot(this.generation);
      this.compactAtBytes = 0;
    } catch (error) {
      this.compactAtBytes = (this.log?.bytes ?? 0) + this.maxLogBytes;
      this.init.report(`the registry cannot write a snapshot, and goes on with its log: ${messageOf(error)}`);
    }
  }

  private async snapshot(generation: number): Promise<void> {
    const { folder, registryId, state, report } = this.init;
    this.snapshotBytes = await writeSnapshot(folder, generation, registryId, state());
    this.snapshotOf = generation;
    for (const path of await folder.clean(generation)) report(`the damaged file is kept as ${path}`);
  }
}

function ignore(): void {}
