import { execFile } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { nestMajor } from '../support/nest-version.js';
import { fromRoot, readText } from '../support/root.js';

const run = promisify(execFile);
const TSC = fromRoot('node_modules', '.bin', 'tsc');
const TIME_LIMIT_MS = 100_000;
const OUTPUT = { cwd: fromRoot(), timeout: TIME_LIMIT_MS, maxBuffer: 16 * 1024 * 1024 };

const samples = readdirSync(fromRoot('sample'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && /^\d{3}-/.test(entry.name))
  .map(({ name }) => name);

// They are programs of their own, which find the Nest that is installed at the root: that is 12.
if (nestMajor === 12) describe('the samples', runSuite);
else describe('the samples', typeSuite);

function runSuite(): void {
  it('are found, and each is listed in their README', () => {
    expect(samples.length).toBeGreaterThan(1);
    for (const name of samples) expect(readText('sample', 'README.md')).toContain(`](${name}/README.md)`);
  });

  // One at a time: they share the processors, and the figures of the first one are worth a look.
  it(
    'end well, and print what their expected.txt says',
    async () => {
      await run(TSC, ['-p', 'sample/tsconfig.json'], { cwd: fromRoot() }).catch(failedWithOutput('tsc'));
      for (const name of samples) await expectRun(name);
    },
    samples.length * TIME_LIMIT_MS,
  );
}

function typeSuite(): void {
  it('compile with the types of this Nest, too', async () => {
    const config = fromRoot('sample', `tsconfig.nest${nestMajor}.json`);
    // To the file: a folder would be passed over without a word, in favour of the one at the root.
    const paths = { '@nestjs/*': [`../test/nest${nestMajor}/node_modules/@nestjs/*/index.d.ts`] };
    try {
      writeFileSync(config, JSON.stringify({ extends: './tsconfig.json', compilerOptions: { noEmit: true, paths } }));
      const { stdout } = await run(TSC, ['-p', config, '--listFiles'], OUTPUT).catch(failedWithOutput('tsc'));
      const folders = stdout.split('\n').flatMap((file) => /.*(?=node_modules\/@nestjs\/)/.exec(file) ?? []);
      expect([...new Set(folders)]).toEqual([fromRoot('test', `nest${nestMajor}/`)]);
    } finally {
      rmSync(config, { force: true });
    }
  }, 60_000);
}

/** Runs a sample, and matches its lines with the patterns, one after the other. */
async function expectRun(name: string): Promise<void> {
  const main = fromRoot('sample', 'dist', name, 'src', 'main.js');
  const { stdout, stderr } = await run(process.execPath, [main], OUTPUT).catch(failedWithOutput(name));
  const lines = stdout.split('\n');
  let at = 0;
  for (const pattern of patternsOf(name)) {
    const found = lines.findIndex((line, index) => index >= at && pattern.test(line));
    expect(found, `${name}: no line matches ${pattern} from line ${at + 1} on of\n${stdout}\n${stderr}`).not.toBe(-1);
    at = found + 1;
  }
}

function patternsOf(name: string): RegExp[] {
  const lines = readText('sample', name, 'expected.txt').split('\n');
  const patterns = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => new RegExp(line));
  expect(patterns.length, `${name}/expected.txt`).toBeGreaterThan(0);
  return patterns;
}

function failedWithOutput(name: string): (error: unknown) => never {
  return (error) => {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${name} failed\n${stdout}\n${stderr}`, { cause: error });
  };
}
