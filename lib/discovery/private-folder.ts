import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** A link or a pipe in place of the file is an error, never followed or waited for. Windows has neither flag, nor user ids. */
const CAREFULLY = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const ownUid = (): number | undefined => process.getuid?.();

/**
 * A folder that only this user can read and write, and the files in it. Who could write there would choose where calls go; so the
 * folder and each file must belong to this user, be closed to all others, and be no symbolic link.
 */
export class PrivateFolder {
  constructor(readonly path: string) {}

  /** The content of a file, `undefined` where there is none. @throws Error saying what is wrong with the file or folder */
  async read(name: string, maxBytes: number): Promise<Buffer | undefined> {
    if (!(await this.exists())) return undefined;
    const file = await openOrUndefined(join(this.path, name), constants.O_RDONLY | CAREFULLY);
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error('is no regular file');
      checkPrivate(stats);
      if (stats.size > maxBytes) throw new Error(`has ${stats.size} bytes, the limit is ${maxBytes}`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /**
   * Replaces a file as a whole: who reads sees the old content or the new. Not synced to the disk: what a power cut tears, its
   * checksum tells. Creates the folder where it is missing.
   *
   * @throws Error of the file system, or saying what is wrong with the folder
   */
  async write(name: string, content: Buffer): Promise<void> {
    if (!(await this.exists())) {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await this.exists(); // somebody else may have been faster
    }
    const temporary = join(this.path, `${name}.${randomBytes(6).toString('hex')}.tmp`);
    try {
      const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
      try {
        await file.writeFile(content);
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.path, name));
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
  }

  /** Removes files of such a name that nobody has written for so long. */
  async sweep(pattern: RegExp, olderThanMs: number): Promise<void> {
    if (!(await this.exists())) return;
    for (const name of await readdir(this.path)) {
      if (!pattern.test(name)) continue;
      const path = join(this.path, name);
      const { mtimeMs } = await lstat(path);
      if (Date.now() - mtimeMs > olderThanMs) await unlink(path);
    }
  }

  /** @throws Error where something is there that must not be used */
  private async exists(): Promise<boolean> {
    const stats = await lstat(this.path).catch(ignoreMissing);
    if (stats === undefined) return false;
    if (stats.isSymbolicLink()) throw new Error(`${this.path} is a symbolic link; name the folder itself`);
    if (!stats.isDirectory()) throw new Error(`${this.path} is no folder`);
    checkPrivate(stats, this.path);
    return true;
  }
}

function checkPrivate(stats: { uid: number; mode: number }, what = 'it'): void {
  const uid = ownUid();
  if (uid === undefined) return;
  if (stats.uid !== uid)
    throw new Error(`${what} belongs to user ${stats.uid}, not to ${uid}; name a folder that does not exist yet`);
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) !== 0)
    throw new Error(`${what} is open to others (mode ${mode.toString(8)}); chmod go= it, or name a new folder`);
}

async function openOrUndefined(path: string, flags: number): Promise<FileHandle | undefined> {
  return open(path, flags).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
