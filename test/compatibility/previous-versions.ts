import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { fromRoot, manifest, readText, type Manifest } from '../support/root.js';

const FOLDER = fromRoot('test/compatibility');
const PEER = 'peer.mjs';

/** Versions whose packed form lies in this folder. */
export function previousVersions(): string[] {
  const names = readdirSync(FOLDER).map((file) => /^nestjs-rookery-(.+)\.tgz$/.exec(file)?.[1]);
  return names.filter((version) => version !== undefined);
}

/** What CHANGELOG.md says was released, but for the version of this checkout. */
export function releasedVersions(): string[] {
  const headings = readText('CHANGELOG.md').matchAll(/^## \[(\d[^\]]*)\]/gm);
  return [...headings].map(([, version]) => version!).filter((version) => version !== manifest().version);
}

export interface Installed {
  /** The script of a process of that version. */
  readonly script: string;
  remove(): void;
}

/** This version, as it was built last. */
export const PRESENT: Installed = { script: join(FOLDER, PEER), remove: () => undefined };

/** Unpacks a version into a folder of its own. What it needs besides is what this checkout has installed, so no network is asked. */
export function install(version: string): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-previous-'));
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  execFileSync('tar', ['-xzf', join(FOLDER, `nestjs-rookery-${version}.tgz`), '-C', folder]);
  const { dependencies, peerDependencies } = JSON.parse(
    readFileSync(join(folder, 'package', 'package.json'), 'utf8'),
  ) as Manifest;
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(fromRoot('node_modules', name), join(modules, name));
  }
  renameSync(join(folder, 'package'), join(modules, 'nestjs-rookery'));
  copyFileSync(PRESENT.script, join(folder, PEER));
  return { script: join(folder, PEER), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
