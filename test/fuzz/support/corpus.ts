import { existsSync, readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../corpus/', import.meta.url);

/** One kept finding. */
export interface Kept<T> {
  name: string;
  content: T;
}

/**
 * Findings in bytes: hex digits, a line for each piece (a chunk of a decoder, a stage of a connection, a body); what follows a `#` is for
 * readers.
 */
export function keptBytes(target: string): Kept<Buffer[]>[] {
  return files(target, '.hex').map(({ name, content }) => ({ name, content: piecesOf(content) }));
}

/** Findings that are values: records, or the commands given to a connection. */
export function keptValues(target: string): Kept<unknown>[] {
  return files(target, '.json').map(({ name, content }) => ({ name, content: JSON.parse(content) as unknown }));
}

/** For the message of a failure: what to put into which file so that every run begins with it. */
export function asFinding(target: string, pieces: readonly Buffer[]): string {
  return finding(target, 'hex', pieces.map((piece) => piece.toString('hex')).join('\n'));
}

export function asJsonFinding(target: string, value: unknown): string {
  return finding(target, 'json', JSON.stringify(value));
}

/** How one sequence is run again, alone. */
export function repeat(seed: number): string {
  return `repeat it with ROOKERY_FUZZ_SEED=${seed} ROOKERY_FUZZ_SEQUENCES=1 npm run test:fuzz`;
}

function finding(target: string, suffix: string, content: string): string {
  return `keep it as test/fuzz/corpus/${target}/<what-it-shows>.${suffix}:\n${content}\n`;
}

function piecesOf(text: string): Buffer[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*$/, '').replaceAll(/\s+/g, ''));
  return lines.filter((line) => line !== '').map((line) => hexOf(line));
}

function hexOf(line: string): Buffer {
  if (!/^([0-9a-f]{2})*$/.test(line)) throw new Error(`"${line}" of the corpus is no line of bytes in hex`);
  return Buffer.from(line, 'hex');
}

function files(target: string, suffix: string): Kept<string>[] {
  const folder = new URL(`${target}/`, FOLDER);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix));
  return names.toSorted().map((name) => ({ name, content: readFileSync(new URL(name, folder), 'utf8') }));
}
