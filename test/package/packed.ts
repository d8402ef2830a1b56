import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support/root.js';

export const run = promisify(execFile);

export interface Packed {
  /** A folder of its own, for the tarball and what is done with it. */
  folder: string;
  tarball: string;
  /** What the tarball holds, e.g. `dist/index.js`. */
  files: string[];
  remove(): void;
}

/** What `npm publish` would send, as `npm run build` left it. */
export async function packPackage(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-pack-'));
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', args, { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return {
    folder,
    tarball: join(folder, packed.filename),
    files: packed.files.map(({ path }) => path),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
