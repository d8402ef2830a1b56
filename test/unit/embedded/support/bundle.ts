import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { fromRoot, readText } from '../../../support/root.js';

/** A package in a folder of its own, with one source file made into plain JavaScript: what a child process can run. */
export interface Bundle {
  readonly script: string;
  remove(): void;
}

/** @param entry from the repository's top folder, e.g. `lib/cli/main.ts` */
export async function bundle(entry: string): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-bundle-'));
  writeFileSync(join(folder, 'package.json'), readText('package.json'));
  const name = entry.slice(entry.lastIndexOf('/') + 1).replace(/\.ts$/, '.js');
  await build({
    configFile: false,
    logLevel: 'error',
    root: fromRoot(),
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: join(folder, 'dist', 'cli'),
      minify: false,
      rolldownOptions: { input: fromRoot(entry), output: { entryFileNames: name } },
    },
  });
  return {
    script: join(folder, 'dist', 'cli', name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
