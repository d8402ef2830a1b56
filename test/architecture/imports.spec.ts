import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromRoot, manifest, readText } from '../support/root.js';
import {
  compareFolders,
  exitsOnlyInCli,
  findCycle,
  importsDeclaredPackages,
  importsFilesNotBarrels,
  importsNestFromItsRoots,
  importsNestInNestFiles,
  importTable,
  leavesBackendsAlone,
  obeysTable,
  spellsOutExtensions,
} from './import-rules.js';
import { readTable } from './markdown-table.js';
import { parseModule, readModules } from './source-module.js';

const table = importTable(readTable(readText('lib', 'README.md'), 'folder', 'may import'));
const folders = readdirSync(fromRoot('lib'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);
const { dependencies, peerDependencies } = manifest();

const rules = {
  'crosses folders only where the table allows it': obeysTable(table),
  'imports no backend': leavesBackendsAlone,
  'imports Nest only in files that carry a Nest suffix': importsNestInNestFiles,
  'imports Nest from the roots of its packages': importsNestFromItsRoots,
  'imports files, never barrels': importsFilesNotBarrels,
  'ends relative imports in .js': spellsOutExtensions,
  'imports only packages that package.json names': importsDeclaredPackages(
    Object.keys({ ...dependencies, ...peerDependencies }),
  ),
  'ends the process only in cli': exitsOnlyInCli,
};

describe('the import table', () => {
  it('has no cycle', () => {
    expect(findCycle(table)).toBeUndefined();
  });

  it('has a row for every folder of lib, and none besides', () => {
    expect(compareFolders(table, folders)).toEqual([]);
  });

  it('would show a cycle', () => {
    const circular = importTable([
      { folder: 'a', 'may import': 'b' },
      { folder: 'b', 'may import': 'c, a' },
      { folder: 'c', 'may import': 'nothing' },
    ]);
    expect(findCycle(circular)).toBe('a → b → a');
    expect(compareFolders(circular, ['a', 'b', 'd'])).toEqual(['lib/c has a row and no folder', 'lib/d has no row']);
  });
});

describe('lib', () => {
  const modules = readModules(fromRoot('lib'));

  it.each(Object.entries(rules))('%s', (_, rule) => {
    expect(modules.length).toBeGreaterThan(0);
    expect(rule(modules)).toEqual([]);
  });
});

describe('every rule', () => {
  const offender = parseModule(
    'core/offender.ts',
    `import '../transport/client-stack.js';
     import type { Consul } from '../backends/consul/consul-registry.js';
     import { Injectable } from '@nestjs/common/decorators';
     export { a } from '../registry/index.js';
     export type B = import('./b').B;
     const loaded = import('left-pad');
     process.exit(1);`,
  );

  it.each(Object.entries(rules))('finds what breaks it: %s', (_, rule) => {
    expect(rule([offender])).not.toEqual([]);
  });
});
