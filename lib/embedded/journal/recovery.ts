import type { ServiceInstance } from '../../core/instance.js';
import { dataDirUnusable } from './journal-errors.js';
import { JOURNAL_FORMAT, keyOf, MAX_LINE_BYTES, parseJournalLine, type JournalEntry } from './journal-entry.js';
import type { JournalFile, JournalFolder } from './journal-folder.js';
import { readLines } from './line-reader.js';

/** A place where the files do not say what was written there. */
export interface Damage {
  readonly path: string;
  /** Of the first byte that cannot be believed. */
  readonly offset: number;
  /** Lines in the file that were left out. */
  readonly lines: number;
}

export interface Recovered {
  readonly instances: readonly ServiceInstance[];
  /** `undefined` where nothing tells it, or where it no longer stands for all it once knew. */
  readonly registryId: string | undefined;
  /** The highest there is; 0 without files. */
  readonly generation: number;
  readonly damages: readonly Damage[];
}

/**
 * What the files of a folder say. A line that is not as it was written is left out, and the lines behind it are believed again, for each says
 * how one instance is, whatever was before. The end of a log that a crash tore is no damage: nobody was told that it was written.
 *
 * @throws ConfigurationError `DATA_DIR_UNUSABLE` for files of another format; NodeJS.ErrnoException
 */
export async function recover(folder: JournalFolder): Promise<Recovered> {
  const files = await folder.files();
  const state = new RecoveredState();
  let damages: Damage[] = [];
  for (const file of files) {
    const content = await read(folder, file);
    state.apply(file, content);
    if (content.damage) damages.push(content.damage);
    // What was before it does not matter any more.
    else if (file.kind === 'snapshot') damages = [];
  }
  const isSure = damages.length === 0 && isGapless(files);
  return {
    instances: [...state.instances.values()],
    registryId: isSure ? state.registryId : undefined,
    generation: files.at(-1)?.generation ?? 0,
    damages,
  };
}

interface Content {
  readonly entries: JournalEntry[];
  readonly damage: Damage | undefined;
}

class RecoveredState {
  instances = new Map<string, ServiceInstance>();
  registryId: string | undefined;

  apply({ kind }: JournalFile, { entries, damage }: Content): void {
    // An undamaged snapshot is the whole of what came before it; a damaged one still has some of it.
    if (kind === 'snapshot' && !damage) this.instances = new Map();
    for (const entry of entries) {
      if ('put' in entry) this.instances.set(keyOf(entry.put), entry.put);
      else if ('gone' in entry) this.instances.delete(keyOf(entry.gone));
      else if ('header' in entry) this.registryId = entry.header.registryId;
    }
  }
}

async function read(folder: JournalFolder, { name, kind }: JournalFile): Promise<Content> {
  const entries: JournalEntry[] = [];
  const path = folder.pathOf(name);
  let firstBad: number | undefined;
  let bad = 0;
  for await (const { bytes, offset, isWhole } of readLines(path, MAX_LINE_BYTES)) {
    const entry = parseJournalLine(bytes);
    const isTorn = !entry && !isWhole && kind === 'log';
    if (isTorn) break;
    // A header leads, and nothing else does.
    if (entry && 'header' in entry === (offset === 0)) entries.push(checked(entry, path));
    else {
      firstBad ??= offset;
      bad++;
    }
  }
  if (kind === 'snapshot' && !isComplete(entries)) firstBad ??= 0;
  return { entries, damage: firstBad === undefined ? undefined : { path, offset: firstBad, lines: bad } };
}

function checked(entry: JournalEntry, path: string): JournalEntry {
  if (!('header' in entry) || entry.header.format === JOURNAL_FORMAT) return entry;
  const why = `it is of format ${entry.header.format}, and this version reads ${JOURNAL_FORMAT}; use the version that wrote it`;
  throw dataDirUnusable(path, why);
}

function isComplete(entries: readonly JournalEntry[]): boolean {
  const last = entries.at(-1);
  return last !== undefined && 'end' in last && last.end === entries.length - 2;
}

/** From the snapshot all begins with, each generation goes on where the one before ended. */
function isGapless(files: readonly JournalFile[]): boolean {
  const snapshots = files.filter(({ kind }) => kind === 'snapshot');
  const base = snapshots.at(-1)?.generation;
  if (base === undefined) return files.length === 0;
  const logs = files.filter(({ kind, generation }) => kind === 'log' && generation >= base);
  return logs.every(({ generation }, index) => generation === base + index);
}
