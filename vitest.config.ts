import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { TallyReporter } from './test/support/tally.reporter.js';

/** Nest needs the legacy decorators and their `design:*` metadata. */
const oxc = { decorator: { legacy: true, emitDecoratorMetadata: true } };

/** Last good lists of tests, and of the processes they start, stay out of the user's cache. */
const XDG_CACHE_HOME = mkdtempSync(join(tmpdir(), 'rookery-test-cache-'));

/** Nest 11 is installed by the workspace test/nest11; rxjs and reflect-metadata stay the root's, so there is one of each. */
const nest11 = Object.fromEntries(
  ['common', 'core', 'microservices', 'platform-express', 'testing'].map((name) => [
    `@nestjs/${name}`,
    fileURLToPath(new URL(`./test/nest11/node_modules/@nestjs/${name}`, import.meta.url)),
  ]),
);

/** What loads the machine, or measures what others' load would spoil: after everything else, one file at a time. */
const LOUD = ['test/{faults,floods,leaks}/**/*.spec.ts'];
const FUZZ = ['test/fuzz/**/*.spec.ts'];
const env = { ROOKERY_EXPECTED_NEST: '12', XDG_CACHE_HOME };

export default defineConfig({
  test: {
    reporters: ['default', new TallyReporter()],
    projects: [
      {
        oxc,
        test: {
          name: 'nest12',
          include: ['test/**/*.spec.ts'],
          exclude: ['**/node_modules/**', ...LOUD, ...FUZZ],
          env,
        },
      },
      {
        oxc,
        resolve: { alias: nest11 },
        test: {
          name: 'nest11',
          include: ['test/{e2e,microservice}/**/*.spec.ts'],
          env: { ...env, ROOKERY_EXPECTED_NEST: '11' },
        },
      },
      { oxc, test: { name: 'fuzz', include: FUZZ, env, sequence: { groupOrder: 1 } } },
      { oxc, test: { name: 'loud', include: LOUD, env, fileParallelism: false, sequence: { groupOrder: 2 } } },
    ],
  },
});
