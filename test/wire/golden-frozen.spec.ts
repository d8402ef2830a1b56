import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { golden, goldenNames } from './support/golden-file.js';

const LIST = new URL('./golden/frozen.txt', import.meta.url);

/** Version 1 is frozen: whoever has to change a line of the list, and not to add one, has broken it. */
it('the golden bytes are those that version 1 was frozen with, and each is listed', () => {
  const lines = readFileSync(LIST, 'utf8').split('\n');
  const frozen = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const folders = (['client', 'server', 'extended', 'extended/client', 'extended/server'] as const).map(goldenNames);
  const present = ['preface', ...folders.flat()].map((name) => `${sha256(golden(name))}  ${name}`);
  expect(present.toSorted()).toEqual(frozen.toSorted());
});

it('the list says so', () => {
  expect(readFileSync(LIST, 'utf8')).toMatch(
    /version 1 of the protocol is frozen\. Lines may be added, never changed/i,
  );
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
