import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromRoot } from '../support/root.js';
import { packPackage, run, type Packed } from './packed.js';

let packed: Packed;
beforeAll(async () => {
  packed = await packPackage();
}, 30_000);
afterAll(() => packed.remove());

describe.each([
  { consumer: 'nest12-esm', loads: /^import .* from .nestjs-rookery.;$/m },
  { consumer: 'nest11-cjs', loads: /require\(.nestjs-rookery.\);$/m },
])('a fresh application, $consumer', ({ consumer, loads }) => {
  it('installs the tarball, compiles against its types, calls a service and ends', async (context) => {
    const app = join(packed.folder, consumer);
    mkdirSync(app);
    for (const path of [`${consumer}/package.json`, 'tsconfig.json', 'main.ts']) {
      cpSync(fromRoot('test', 'package', 'consumers', path), join(app, path.replace(`${consumer}/`, '')));
    }

    const failure = await install(app);
    const isOffline = failure !== '' && !(await reachesRegistry());
    context.skip(isOffline, `${consumer}: no package registry can be reached, so the application was not installed`);
    expect(failure).toBe('');

    await run(process.execPath, [fromRoot('node_modules', 'typescript', 'bin', 'tsc')], { cwd: app });
    expect(readFileSync(join(app, 'main.js'), 'utf8')).toMatch(loads);

    const { stdout, stderr } = await run(process.execPath, ['main.js'], { cwd: app, timeout: 30_000 });
    expect(stdout).toBe('{"placed":2}\n');
    expect(stderr).toBe('');
  }, 180_000);
});

/** @returns what npm complained of, or nothing */
async function install(app: string): Promise<string> {
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const patience = ['--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=2000'];
  return run('npm', ['install', ...quiet, ...patience, packed.tarball], { cwd: app }).then(
    () => '',
    (error: Error) => error.message,
  );
}

async function reachesRegistry(): Promise<boolean> {
  return run('npm', ['view', 'reflect-metadata', 'version', '--prefer-online', '--fetch-retries=0']).then(
    () => true,
    () => false,
  );
}
