import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder that is there as long as the test. */
export function dataFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rookery-data-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
