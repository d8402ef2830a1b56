import { readFileSync } from 'node:fs';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromRoot, readText } from '../support/root.js';
import { packPackage, run, type Packed } from './packed.js';

const COMPILED = /^dist\/.*\.(js|js\.map|d\.ts)$/;
const DOCUMENTS = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'];

let packed: Packed;
beforeAll(async () => {
  packed = await packPackage();
}, 30_000);
afterAll(() => packed.remove());

it('holds the compiled library and its documents, and nothing else', () => {
  const others = packed.files.filter((path) => !COMPILED.test(path) && !DOCUMENTS.includes(path));
  expect(others).toEqual([]);
  const required = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts'];
  expect(required.filter((path) => !packed.files.includes(path))).toEqual([]);
});

it('carries the sources inside its source maps, as lib is not published', () => {
  const map = JSON.parse(readText('dist', 'index.js.map')) as { sourcesContent?: string[] };
  expect(map.sourcesContent?.[0]).toBe(readText('lib', 'index.ts'));
});

it('passes publint', async () => {
  const { buffer } = new Uint8Array(readFileSync(packed.tarball));
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg ?? {}, { color: false }))).toEqual([]);
});

// Node 20.19 and newer can require() an ES module, so that CommonJS callers (the profile leaves them out) are none the worse:
// consumers.spec.ts has one.
it('has types that resolve for ES modules and for bundlers', async () => {
  const attw = fromRoot('node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  const options = ['--profile', 'esm-only', '--no-definitely-typed', '--format', 'ascii', '--no-color'];
  const problems = await run(process.execPath, [attw, packed.tarball, ...options]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
  expect(problems).toBe('');
}, 60_000);
