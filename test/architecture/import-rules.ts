import { posix } from 'node:path';
import { folderOf, isRelative, packageOf, resolveRelative, type SourceModule } from './source-module.js';

/** Who may import whom: folder → folders. */
export type ImportTable = Map<string, Set<string>>;

/** A rule names what breaks it, one line each. */
export type Rule = (modules: SourceModule[]) => string[];

const NEST_FILE =
  /\.(module|decorator|guard|interceptor|controller|middleware|explorer|context|server|client|health|filter|providers?)\.ts$/;

export function importTable(rows: Record<string, string>[]): ImportTable {
  return new Map(rows.map((row) => [folderName(row['folder']), new Set(folderNames(row['may import']))]));
}

/** The first cycle found, as `a → b → a`, or nothing. */
export function findCycle(table: ImportTable): string | undefined {
  const done = new Set<string>();
  const visit = (folder: string, trail: string[]): string | undefined => {
    if (trail.includes(folder)) return [...trail.slice(trail.indexOf(folder)), folder].join(' → ');
    if (done.has(folder)) return undefined;
    const cycle = [...(table.get(folder) ?? [])].map((next) => visit(next, [...trail, folder])).find(Boolean);
    done.add(folder);
    return cycle;
  };
  return [...table.keys()].map((folder) => visit(folder, [])).find(Boolean);
}

/** Rows without a folder, folders without a row, and rows that may import what has no row. */
export function compareFolders(table: ImportTable, folders: string[]): string[] {
  const unknown = (names: Iterable<string>) => [...names].filter((name) => !table.has(name));
  return [
    ...[...table.keys()].filter((row) => !folders.includes(row)).map((row) => `lib/${row} has a row and no folder`),
    ...unknown(folders).map((folder) => `lib/${folder} has no row`),
    ...[...table].flatMap(([row, allowed]) =>
      unknown(allowed).map((name) => `${row} may import ${name}, which has no row`),
    ),
  ];
}

/** Files at the top of lib may import any folder; the rest obey the table. */
export const obeysTable =
  (table: ImportTable): Rule =>
  (modules) =>
    crossings(modules)
      .filter(({ from, to }) => to === undefined || !table.get(from)?.has(to))
      .map(({ module, specifier, from, to }) => `${module.path}: ${from} may not import ${to ?? 'lib'} (${specifier})`);

/** Whoever needs a backend names it by its subpath export, outside lib. */
export const leavesBackendsAlone: Rule = eachImport(({ path }, specifier, target) => {
  const backend = target?.match(/^backends\/[^/]+\//)?.[0];
  return backend !== undefined && !path.startsWith(backend) && `imports a backend (${specifier})`;
});

export const importsNestInNestFiles: Rule = eachImport(
  ({ path }, specifier) =>
    specifier.startsWith('@nestjs/') &&
    path !== 'index.ts' &&
    !NEST_FILE.test(path) &&
    `has no Nest suffix and imports ${specifier}`,
);

export const importsNestFromItsRoots: Rule = eachImport(
  (_, specifier) =>
    specifier.startsWith('@nestjs/') && packageOf(specifier) !== specifier && `imports inside a package (${specifier})`,
);

export const importsFilesNotBarrels: Rule = eachImport(
  (_, specifier, target) =>
    target !== undefined && posix.basename(target) === 'index.ts' && `imports a barrel (${specifier})`,
);

export const spellsOutExtensions: Rule = eachImport(
  (_, specifier) => isRelative(specifier) && !specifier.endsWith('.js') && `has no .js in ${specifier}`,
);

/** What lib names at run time or in types is what `npm install nestjs-rookery` brings. */
export const importsDeclaredPackages = (declared: string[]): Rule =>
  eachImport(
    (_, specifier) =>
      !isRelative(specifier) &&
      !specifier.startsWith('node:') &&
      !declared.includes(packageOf(specifier)) &&
      `imports ${specifier}, which package.json does not name`,
  );

export const exitsOnlyInCli: Rule = (modules) =>
  modules
    .filter(({ path, callsProcessExit }) => callsProcessExit && folderOf(path) !== 'cli')
    .map(({ path }) => `${path}: ends the process`);

function eachImport(
  complaint: (module: SourceModule, specifier: string, target: string | undefined) => string | false,
): Rule {
  return (modules) =>
    modules.flatMap((module) =>
      module.specifiers.flatMap((specifier) => {
        const target = isRelative(specifier) ? resolveRelative(module, specifier) : undefined;
        const text = complaint(module, specifier, target);
        return text === false ? [] : `${module.path}: ${text}`;
      }),
    );
}

function crossings(modules: SourceModule[]) {
  return modules.flatMap((module) => {
    const from = folderOf(module.path);
    if (from === undefined) return [];
    return module.specifiers
      .filter(isRelative)
      .map((specifier) => ({ module, specifier, from, to: folderOf(resolveRelative(module, specifier)) }))
      .filter(({ to }) => to !== from);
  });
}

function folderNames(cell = ''): string[] {
  return cell
    .split(/[,\s]+/)
    .map(folderName)
    .filter((name) => !['', '-', '–', '—', 'nothing'].includes(name));
}

function folderName(cell = ''): string {
  return cell.trim().replace(/\/$/, '');
}
