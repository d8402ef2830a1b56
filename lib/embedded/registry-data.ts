import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';

import { RookeryError } from '../core/errors.js';
import type { ServiceInstance } from '../core/instance.js';
import type { InstanceRef, InstanceTable, Owner } from '../registry/instance-table.js';
import type { InstanceWrites } from './instance-writes.js';
import { dataDirUnusable } from './journal/journal-errors.js';
import { keyOf, refOf, type JournalEntry } from './journal/journal-entry.js';
import { JournalFolder } from './journal/journal-folder.js';
import { Journal } from './journal/journal.js';
import { recover, type Damage } from './journal/recovery.js';

export interface RegistryDataInit {
  readonly dataDir: string;
  /** Empty; gets what the folder has, each instance with a lease that begins now. */
  readonly table: InstanceTable;
  /** Tells an operator, in a sentence. */
  readonly report: (message: string) => void;
  readonly maxLogBytes?: number | undefined;
}

/**
 * A table whose registrations and deregistrations survive the process: each is on the disk before it is in the table, and before its
 * caller is answered. Renewals are not written, nor is a record that is registered as it is already; that a lease expired is.
 */
export class RegistryData implements InstanceWrites {
  /** Writes under way, by instance: while there are some, the table does not say what comes of them. */
  private readonly pending = new Map<string, number>();

  private constructor(
    private readonly table: InstanceTable,
    private readonly folder: JournalFolder,
    private readonly journal: Journal,
    /** Who clients take this registry for: the one they know, where it still knows all it knew then. */
    readonly registryId: string,
    /** Whether it knows everything it ever acknowledged. */
    readonly isComplete: boolean,
  ) {}

  /** @throws ConfigurationError `DATA_DIR_UNUSABLE` */
  static async open({ dataDir, table, report, maxLogBytes }: RegistryDataInit): Promise<RegistryData> {
    const folder = await JournalFolder.open(dataDir);
    try {
      const { instances, generation, damages, registryId: knownId } = await recover(folder);
      for (const damage of damages) tellDamage(damage, folder, report);
      const left = instances.filter((instance) => !table.restore(instance));
      if (left.length > 0)
        report(`${left.length} instances of ${folder.path} are left out: maxInstances is below what it holds`);
      const registryId = knownId ?? randomUUID();
      const state = () => table.records();
      const journal = new Journal({ folder, registryId, generation, state, report, maxLogBytes });
      await journal.open();
      return new RegistryData(table, folder, journal, registryId, knownId !== undefined && left.length === 0);
    } catch (error) {
      await folder.close();
      throw RookeryError.is(error) ? error : dataDirUnusable(folder.path, error);
    }
  }

  /** False while the disk takes nothing, and changes are refused. */
  get isWritable(): boolean {
    return this.journal.isWritable;
  }

  put(record: ServiceInstance, owner: Owner): void | Promise<void> {
    this.table.checkRoom(record);
    const key = keyOf(record);
    if (!this.pending.has(key) && this.table.holds(record)) return this.table.put(record, owner);
    return this.write(key, { put: record }, () => {
      try {
        this.table.put(record, owner);
      } catch (error) {
        // Others took the last place meanwhile.
        this.journal.note({ gone: refOf(record) });
        throw error;
      }
    });
  }

  remove(ref: InstanceRef): void | Promise<void> {
    const key = keyOf(ref);
    if (!this.pending.has(key) && !this.table.has(ref)) return;
    return this.write(key, { gone: refOf(ref) }, () => void this.table.remove(ref));
  }

  /** A lease ended: nobody waits for that to be written. */
  noteExpired(ref: InstanceRef): void {
    this.journal.note({ gone: refOf(ref) });
  }

  async close(): Promise<void> {
    await this.journal.close();
    await this.folder.close();
  }

  private async write(key: string, entry: JournalEntry, apply: () => void): Promise<void> {
    this.pending.set(key, (this.pending.get(key) ?? 0) + 1);
    try {
      await this.journal.write(entry, apply);
    } finally {
      const left = this.pending.get(key)! - 1;
      if (left > 0) this.pending.set(key, left);
      else this.pending.delete(key);
    }
  }
}

function tellDamage({ path, offset, lines }: Damage, folder: JournalFolder, report: (message: string) => void): void {
  folder.damaged.add(basename(path));
  report(
    `${path} is damaged at byte ${offset}: ${lines} lines of it are left out; the registry starts with the others, and hears of what is missing from its clients`,
  );
}
