import { randomBytes } from 'node:crypto';
import { chmod, link, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

const NAME = 'lock';

/** Longer paths of sockets are cut by some systems instead of refused. */
const MAX_PATH_BYTES = 103;

/** How often another process may be in the way that is gone a moment later. */
const ATTEMPTS = 5;

/**
 * Keeps every other process out of a folder: a Unix socket that this one listens on, which the kernel closes with the process however it
 * ends; also where they see different process ids, as containers that share a volume do. On Windows a named pipe, which is there only
 * as long as its process.
 */
export class FolderLock {
  private constructor(
    private readonly server: Server,
    private readonly paths: readonly string[],
  ) {}

  /** @returns `undefined` where another process holds it @throws Error of the file system, or for a path that is too long */
  static async take(folder: string): Promise<FolderLock | undefined> {
    if (process.platform === 'win32') return takePipe(folder, (server) => new FolderLock(server, []));
    const own = join(folder, `${NAME}.${randomBytes(4).toString('hex')}`);
    const bytes = Buffer.byteLength(own);
    if (bytes > MAX_PATH_BYTES)
      throw new Error(`the path is ${bytes - MAX_PATH_BYTES} bytes too long for the socket that locks it`);
    const server = await listening(own);
    await chmod(own, 0o600);
    const lock = new FolderLock(server, [join(folder, NAME), own]);
    const isTaken = await takeName(own, join(folder, NAME)).catch(async (error: unknown) => {
      await close(server);
      throw error;
    });
    if (isTaken) return lock;
    await close(server);
    return undefined;
  }

  /** Whether it is by this file. */
  holds(path: string): boolean {
    return this.paths.includes(path);
  }

  async release(): Promise<void> {
    for (const path of this.paths) await unlink(path).catch(() => undefined);
    await close(this.server);
  }
}

/** Gives our socket the name that counts. */
async function takeName(own: string, name: string): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      await link(own, name);
      return true;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (NO_LINKS.has(code)) return renameInstead(own, name);
      if (code !== 'EEXIST') throw error;
    }
    if (await isAnswered(name)) return false;
    await removeStale(name, `${own}.stale`);
  }
  return false;
}

/** What file systems say that have no second names for sockets. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** The same, but for two processes that start at the same moment. */
async function renameInstead(own: string, name: string): Promise<boolean> {
  if (await isAnswered(name)) return false;
  await rename(own, name);
  return true;
}

/** What another process put there between our look and our move goes back to its place. */
async function removeStale(name: string, aside: string): Promise<void> {
  await rename(name, aside).catch(ignoreMissing);
  if (await isAnswered(aside)) await link(aside, name).catch(() => undefined);
  await unlink(aside).catch(ignoreMissing);
}

/** Only a refusal tells that nobody listens: a process that stands still answers nothing, and yet holds its lock. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

async function takePipe(folder: string, made: (server: Server) => FolderLock): Promise<FolderLock | undefined> {
  const name = Buffer.from(folder.toLowerCase()).toString('base64url').slice(-200);
  try {
    return made(await listening(`\\\\.\\pipe\\rookery-registry-${name}`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

function listening(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject).on('error', () => undefined);
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
