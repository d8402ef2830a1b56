import { chmod, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { dataDirUnusable } from './journal-errors.js';
import { FolderLock } from './folder-lock.js';

export type JournalFileKind = 'snapshot' | 'log';

/** A file of the folder. The log of a generation continues the snapshot of the same. */
export interface JournalFile {
  readonly name: string;
  readonly kind: JournalFileKind;
  readonly generation: number;
}

const FILE = /^(snapshot|log)-(\d{1,15})$/;
const ASIDE = /\.corrupt-(\d{1,15})$/;
const LEFT_OVER = /\.tmp$|^lock\./;

/** Damaged files that are kept; of more, the oldest go. */
const MAX_ASIDE = 8;

/** The folder `registry` in the data folder: for this user alone (0700, its files 0600), and for one process at a time. */
export class JournalFolder {
  /** Names of files that are not as they were written. */
  readonly damaged = new Set<string>();

  private constructor(
    readonly path: string,
    private readonly lock: FolderLock,
  ) {}

  /** @throws ConfigurationError `DATA_DIR_UNUSABLE` */
  static async open(dataDir: string): Promise<JournalFolder> {
    const path = join(dataDir, 'registry');
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await makePrivate(path);
      const lock = await FolderLock.take(path);
      if (!lock) throw new Error('another registry uses it; stop that one, or name another folder');
      return new JournalFolder(path, lock);
    } catch (error) {
      throw dataDirUnusable(path, error);
    }
  }

  /** Oldest first, a snapshot before the log that continues it. */
  async files(): Promise<JournalFile[]> {
    const files = (await readdir(this.path)).flatMap((name) => fileOf(name) ?? []);
    return files.sort((a, b) => a.generation - b.generation || (a.kind === 'snapshot' ? -1 : 1));
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  /** Renames and new files are on the disk from here on. */
  async sync(): Promise<void> {
    // Windows opens no folders, and journals its own.
    if (process.platform === 'win32') return;
    const folder = await open(this.path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /**
   * Removes what generations before this one wrote, and what a process that was killed left half done. Nothing there is needed any more;
   * damaged files are kept under another name for whoever wants to look, the newest 8 of them.
   *
   * @returns where the damaged ones are from now on
   */
  async clean(generation: number): Promise<string[]> {
    const kept: string[] = [];
    for (const name of await readdir(this.path)) {
      const file = fileOf(name);
      const isOver = file ? file.generation < generation : LEFT_OVER.test(name) && !this.lock.holds(this.pathOf(name));
      if (isOver && this.damaged.delete(name)) kept.push(await this.setAside(name));
      else if (isOver) await this.remove(name);
    }
    return kept;
  }

  close(): Promise<void> {
    return this.lock.release();
  }

  private async remove(name: string): Promise<void> {
    await unlink(this.pathOf(name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  private async setAside(name: string): Promise<string> {
    const aside = (await readdir(this.path))
      .filter((other) => ASIDE.test(other))
      .sort((a, b) => asideOf(a) - asideOf(b));
    const number = aside.length === 0 ? 1 : asideOf(aside.at(-1)!) + 1;
    const path = this.pathOf(`${name}.corrupt-${number}`);
    await rename(this.pathOf(name), path);
    for (const old of aside.slice(0, Math.max(0, aside.length + 1 - MAX_ASIDE))) await this.remove(old);
    return path;
  }
}

/** @throws Error where somebody else could choose what the registry believes */
async function makePrivate(path: string): Promise<void> {
  const stats = await lstat(path);
  if (!stats.isDirectory()) throw new Error('it is no folder');
  const uid = process.getuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid) throw new Error(`it belongs to user ${stats.uid}, not to ${uid}`);
  if ((stats.mode & 0o777) !== 0o700) await chmod(path, 0o700);
}

function fileOf(name: string): JournalFile | undefined {
  const match = FILE.exec(name);
  return match ? { name, kind: match[1] as JournalFileKind, generation: Number(match[2]) } : undefined;
}

function asideOf(name: string): number {
  return Number(ASIDE.exec(name)![1]);
}
