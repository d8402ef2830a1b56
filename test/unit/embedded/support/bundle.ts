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
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const name = entry.slice(entry.lastIndexOf('/') + 1).replace(/\.ts$/, '.js');
  const building = build({
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
  await building.catch((error: unknown) => {
    remove();
    throw error;
  });
  return { script: join(folder, 'dist', 'cli', name), remove };
}
