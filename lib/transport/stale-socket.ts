import { lstatSync, unlinkSync, type Stats } from 'node:fs';
import { connect } from 'node:net';

/**
 * Removes the file of a Unix socket that nobody listens on any more, as a process that was killed leaves behind. What is not there, is in
 * use, or is no socket stays as it is: listening fails then, and says why.
 *
 * @throws NodeJS.ErrnoException `EADDRINUSE` where something listens there; what the file system says otherwise
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statOf(path);
  if (found?.isSocket() !== true) return;
  if (await isAnswered(path)) throw Object.assign(new Error(`${path} is in use`), { code: 'EADDRINUSE' });
  const now = statOf(path);
  // Somebody else may have replaced it meanwhile; theirs is not stale.
  if (now !== undefined && now.ino === found.ino && now.ctimeMs === found.ctimeMs) unlinkSync(path);
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Only a refusal tells that nobody listens: whoever may not ask, or finds the queue full, has to take it for used. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
