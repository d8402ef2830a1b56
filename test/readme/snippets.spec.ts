import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { fromRoot, readText } from '../support/root.js';
import { PRELUDE } from './prelude.js';

interface Snippet {
  /** Of its first line in README.md, from 1. */
  line: number;
  code: string;
}

/** Inside the repository, so that the package is found by its own name, and ignored by git and the linters. */
const FOLDER = fromRoot('test', 'readme', 'dist');
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

it('every TypeScript snippet of README.md compiles against the built package', async () => {
  const snippets = snippetsOf(readText('README.md'));
  expect(snippets.length).toBeGreaterThan(10);
  writeProject(snippets);
  expect(await compile()).toBe('');
}, 60_000);

function snippetsOf(markdown: string): Snippet[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ index, 1: code = '' }) => ({
    line: markdown.slice(0, index).split('\n').length + 1,
    code,
  }));
}

function writeProject(snippets: readonly Snippet[]): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const compilerOptions = { rootDir: '.', noEmit: true, declaration: false };
  writeFileSync(
    join(FOLDER, 'tsconfig.json'),
    JSON.stringify({ extends: '../../../tsconfig.json', compilerOptions, include: ['.'] }),
  );
  writeFileSync(join(FOLDER, 'prelude.d.ts'), PRELUDE);
  for (const { line, code } of snippets) {
    // As many empty lines as stand above it: the compiler's line numbers are then the README's.
    writeFileSync(join(FOLDER, `README.md-${line}.ts`), `${'\n'.repeat(line - 1)}${code}\nexport {};\n`);
  }
}

/** @returns what the compiler has to say */
async function compile(): Promise<string> {
  return promisify(execFile)(fromRoot('node_modules', '.bin', 'tsc'), ['-p', FOLDER, '--pretty', 'false']).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
}
