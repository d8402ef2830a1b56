import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const FOLDER = new URL('../golden/', import.meta.url);

/** Bytes of a golden file: hex digits, in groups of any size; what follows a `#` on a line is for readers. */
export function golden(name: string): Buffer {
  const text = readFileSync(new URL(`${name}.hex`, FOLDER), 'utf8');
  const digits = text.replaceAll(/#.*$/gm, '').replaceAll(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`${name}.hex holds something else than bytes and comments`);
  return Buffer.from(digits, 'hex');
}

/** Golden files of the frames that an end of version 1 sends, or, extended, of what a later one may. */
export type GoldenFolder = 'client' | 'server' | 'extended' | 'extended/client' | 'extended/server';

/** Names of the golden files of a folder, without the suffix. */
export function goldenNames(folder: GoldenFolder): string[] {
  const files = readdirSync(new URL(`${folder}/`, FOLDER)).filter((file) => file.endsWith('.hex'));
  return files.map((file) => `${folder}/${basename(file, '.hex')}`).toSorted();
}

/** A frame with one more flag. */
export function flagged(bytes: Buffer, flag: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[5]! |= flag;
  return copy;
}
