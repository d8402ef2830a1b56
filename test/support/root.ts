import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's top folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const fromRoot = (...path: string[]): string => join(ROOT, ...path);

export const readText = (...path: string[]): string => readFileSync(fromRoot(...path), 'utf8');

export interface Manifest {
  name: string;
  version: string;
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

export const manifest = (): Manifest => JSON.parse(readText('package.json')) as Manifest;
