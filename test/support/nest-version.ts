import { Module } from '@nestjs/common';
import { createRequire } from 'node:module';

const NEST_FILE = /(?:file:\/\/)?(\/\S*\/@nestjs\/(\w[\w-]*))\/[^:\s]+:\d+:\d+/;

/**
 * The folder of the Nest package whose code called us, from the stack: it cannot be wrong about what really runs,
 * as the package's name, an alias or a version range could be.
 */
export function callingNestPackage(): string {
  const folder = new Error('where am I').stack?.match(NEST_FILE)?.[1];
  if (folder === undefined) throw new Error('not called by Nest');
  return folder;
}

/** The version of a package of Nest's as another one (or this file) gets it. */
export function versionSeenFrom(folder: string, name = folder.slice(folder.indexOf('@nestjs/'))): string {
  const { version } = createRequire(`${folder}/package.json`)(packageJson(folder, name)) as { version: string };
  return version;
}

export const majorOf = (version: string): number => Number.parseInt(version, 10);

/** The folder of the `@nestjs/common` in use: `@Module()` reads its argument, a getter shows who reads. */
export function commonFolder(): string {
  let folder = '';
  Module({
    get imports() {
      folder = callingNestPackage();
      return [];
    },
  })(class {});
  return folder;
}

/** 11 or 12. */
export const nestMajor: number = majorOf(versionSeenFrom(commonFolder()));

/** Nest 12 exports no package.json, so the way goes over the entry. */
function packageJson(folder: string, name: string): string {
  const entry = createRequire(`${folder}/package.json`).resolve(name);
  return `${entry.slice(0, entry.lastIndexOf(name) + name.length)}/package.json`;
}
