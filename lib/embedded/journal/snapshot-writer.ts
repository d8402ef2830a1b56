import { open, rename, unlink, type FileHandle } from 'node:fs/promises';

import type { ServiceInstance } from '../../core/instance.js';
import { headerOf, journalLine } from './journal-entry.js';
import type { JournalFolder } from './journal-folder.js';

/** Records that are encoded in one go; the event loop runs between two such parts. */
const PART_RECORDS = 200;

/**
 * Writes a snapshot so that it is there as a whole or not at all: under another name first, synced, renamed, the folder synced.
 *
 * @returns its bytes
 * @throws NodeJS.ErrnoException
 */
export async function writeSnapshot(
  folder: JournalFolder,
  generation: number,
  registryId: string,
  instances: readonly ServiceInstance[],
): Promise<number> {
  const path = folder.pathOf(`snapshot-${generation}`);
  const temporary = `${path}.tmp`;
  try {
    const bytes = await writeAll(temporary, lines(registryId, instances));
    await rename(temporary, path);
    await folder.sync();
    return bytes;
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

function* lines(registryId: string, instances: readonly ServiceInstance[]): Generator<string, void> {
  yield journalLine(headerOf(registryId));
  for (let at = 0; at < instances.length; at += PART_RECORDS) {
    const part = instances.slice(at, at + PART_RECORDS);
    yield part.map((put) => journalLine({ put })).join('');
  }
  yield journalLine({ end: instances.length });
}

async function writeAll(path: string, parts: Iterable<string>): Promise<number> {
  const file = await open(path, 'w', 0o600);
  try {
    let bytes = 0;
    for (const part of parts) bytes += await append(file, part);
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

/** All of it, in as many writes as the system makes of it. @returns its bytes */
export async function append(file: FileHandle, text: string): Promise<number> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
  return bytes.length;
}
