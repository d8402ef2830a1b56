import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fromRoot, manifest, readText } from '../support/root.js';
import { isRelative, packageOf, parseModule, resolveRelative } from './source-module.js';

const run = promisify(execFile);
const { name, exports, bin, dependencies = {}, peerDependencies, peerDependenciesMeta } = manifest();
const entries = Object.entries(exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [{ subpath, specifier: subpath.replace('.', name), target }],
);

describe('the exports map', () => {
  it.each(entries)('$subpath has its types and its code in dist', ({ target }) => {
    expect(existsSync(fromRoot(target.types)), target.types).toBe(true);
    expect(existsSync(fromRoot(target.default)), target.default).toBe(true);
  });

  it.each(entries)('$subpath spells its names out', ({ target }) => {
    expect(exportedNames(target.types)).not.toContain('*');
  });

  it.each(entries)('$subpath exports at run time what its types promise', async ({ target, specifier }) => {
    const values = exportedNames(target.types).filter((exported) => !exported.startsWith('type '));
    expect(await runtimeNames(fromRoot(), specifier)).toEqual(values);
  });

  it('has a command that exists and begins with the interpreter', () => {
    for (const target of Object.values(bin)) expect(readText(target)).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

describe('the public surface', () => {
  it('is the one that was reviewed (vitest -u writes a new one)', async () => {
    const names = entries.map(
      ({ subpath, target }) => `${subpath}\n${exportedNames(target.types).map(indent).join('')}`,
    );
    await expect(names.join('\n')).toMatchFileSnapshot('public-surface.txt');
  });

  it("names only Nest, RxJS and Node in the root's declarations", () => {
    const allowed = ['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'rxjs'];
    const named = declaredPackages('dist/index.d.ts').filter((specifier) => !specifier.startsWith('node:'));
    expect(named.filter((specifier) => !allowed.includes(specifier))).toEqual([]);
  });

  it('loads with no optional peer installed', async () => {
    const home = installWithoutOptionalPeers();
    await expect(runtimeNames(home, name)).resolves.toContain('RookeryModule');
  });
});

/** Sorted; a type has `type ` before its name. */
function exportedNames(declarations: string): string[] {
  return parseModule(declarations, readText(declarations)).exports.toSorted(byName);
}

async function runtimeNames(cwd: string, specifier: string): Promise<string[]> {
  const script = `console.log(JSON.stringify(Object.keys(await import('${specifier}'))))`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd });
  return (JSON.parse(stdout) as string[]).toSorted(byName);
}

/** The packages named by a declaration file and by everything it reaches. */
function declaredPackages(entry: string, seen = new Set<string>()): string[] {
  if (seen.has(entry)) return [];
  seen.add(entry);
  const module = parseModule(entry, readText(entry));
  return module.specifiers.flatMap((specifier) =>
    isRelative(specifier)
      ? declaredPackages(resolveRelative(module, specifier).replace(/\.ts$/, '.d.ts'), seen)
      : packageOf(specifier),
  );
}

/** A copy of the package beside links to what npm installs for everyone, and to nothing else. */
function installWithoutOptionalPeers(): string {
  const home = mkdtempSync(join(tmpdir(), 'rookery-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  writeFileSync(join(home, 'package.json'), '{}');
  const required = Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta?.[peer]?.optional !== true);
  const installed = join(home, 'node_modules');
  for (const path of ['package.json', 'dist']) {
    cpSync(fromRoot(path), join(installed, name, path), { recursive: true });
  }
  for (const dependency of [...required, ...Object.keys(dependencies)]) {
    mkdirSync(dirname(join(installed, dependency)), { recursive: true });
    symlinkSync(fromRoot('node_modules', dependency), join(installed, dependency));
  }
  return home;
}

function byName(a: string, b: string): number {
  return a.replace('type ', '').localeCompare(b.replace('type ', ''), 'en');
}

function indent(line: string): string {
  return `  ${line}\n`;
}
