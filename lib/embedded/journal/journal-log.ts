import { open, type FileHandle } from 'node:fs/promises';

import { headerOf, journalLine } from './journal-entry.js';
import type { JournalFolder } from './journal-folder.js';
import { append } from './snapshot-writer.js';

/** The log of one generation, open for writing. */
export class JournalLog {
  private constructor(
    readonly generation: number,
    private readonly file: FileHandle,
    private length: number,
  ) {}

  /** What an attempt before left there is written over. @throws NodeJS.ErrnoException */
  static async create(folder: JournalFolder, generation: number, registryId: string): Promise<JournalLog> {
    const file = await open(folder.pathOf(`log-${generation}`), 'w', 0o600);
    try {
      const length = await append(file, journalLine(headerOf(registryId)));
      await file.sync();
      await folder.sync();
      return new JournalLog(generation, file, length);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.length;
  }

  /** The lines are on the disk when it resolves. After a failure nobody knows what the file holds: it must not be written again. */
  async append(lines: string): Promise<void> {
    this.length += await append(this.file, lines);
    await this.file.datasync();
  }

  async close(): Promise<void> {
    await this.file.close().catch(() => undefined);
  }
}
