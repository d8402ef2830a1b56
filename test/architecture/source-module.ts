import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { parseSync, Visitor } from 'vite';

/** One source or declaration file, as far as the rules of this folder care. */
export interface SourceModule {
  /** From the folder that was read, with `/`: `core/errors.ts`. */
  path: string;
  /** Every specifier it names: imports, re-exports, `import()`, and `import('…')` in types. */
  specifiers: string[];
  /** Names it exports; a type has `type ` before it, `*` is a re-export of everything. */
  exports: string[];
  callsProcessExit: boolean;
}

/** How a declaration file writes what exists at run time; the parser calls every `declare` a type. */
const DECLARED_VALUE = /^export declare (?!type|interface|namespace)/;

export function readModules(root: string, suffix = '.ts'): SourceModule[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(suffix))
    .map((path) => path.split(sep).join('/'))
    .toSorted()
    .map((path) => parseModule(path, readFileSync(join(root, path), 'utf8')));
}

export function parseModule(path: string, source: string): SourceModule {
  const { program, module, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const exported = module.staticExports.flatMap(({ start, entries }) =>
    entries.map((entry) => ({ ...entry, isType: entry.isType && !DECLARED_VALUE.test(source.slice(start)) })),
  );
  const specifiers = [...module.staticImports, ...exported].flatMap((entry) => entry.moduleRequest?.value ?? []);
  let callsProcessExit = false;
  new Visitor({
    ImportExpression: ({ source: from }) => void specifiers.push(literal(from)),
    TSImportType: ({ source: from }) => void specifiers.push(from.value),
    MemberExpression: (node) => {
      callsProcessExit ||= source.slice(node.start, node.end).replace(/\s|\?/g, '') === 'process.exit';
    },
  }).visit(program);
  const exports = exported.map(({ exportName, isType }) => `${isType ? 'type ' : ''}${exportName.name ?? '*'}`);
  return { path, specifiers: [...new Set(specifiers)], exports, callsProcessExit };
}

/** What a module's relative specifier points to, from the same folder as its own path: `../core/x.js` → `core/x.ts`. */
export function resolveRelative(module: SourceModule, specifier: string): string {
  return posix.join(posix.dirname(module.path), specifier).replace(/\.js$/, '.ts');
}

/** `core/errors.ts` → `core`; a file at the top has no folder. */
export function folderOf(path: string): string | undefined {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;
}

export const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** `@scope/name/sub` → `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function literal(node: { type: string; value?: unknown }): string {
  return node.type === 'Literal' && typeof node.value === 'string' ? node.value : '<computed>';
}
