import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Ends a run with one line, `N passed, N failed, N skipped`. Under CI a skipped or a todo test fails the run: what cannot run
 * somewhere must be made to run there, or leave the suite.
 */
export class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const broken = modules.filter((module) => module.errors().length > 0).length + unhandledErrors.length;
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    console.log(`\n${count('passed')} passed, ${count('failed') + broken} failed, ${skipped.length} skipped`);
    skipped.forEach(name);
    if (skipped.length > 0 && process.env['CI']) process.exitCode = 1;
  }
}

/** A filter (`-t`) skips without a word; a test that cannot run here says why. */
function name(test: TestCase): void {
  const { note } = test.result() as { note?: string };
  if (note || process.env['CI'])
    console.error(`skipped: ${test.module.relativeModuleId} > ${test.fullName}`, note ?? '');
}
