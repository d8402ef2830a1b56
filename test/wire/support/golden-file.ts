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

/** Names of the golden files of one end, without the suffix. */
export function goldenNames(end: 'client' | 'server'): string[] {
  const files = readdirSync(new URL(`${end}/`, FOLDER));
  return files.map((file) => `${end}/${basename(file, '.hex')}`).toSorted();
}
