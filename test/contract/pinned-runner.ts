import { describe, expect, it } from 'vitest';

import type { ContractRunner } from '../../lib/testing/contract-runner.js';

/**
 * A skipped test fails our runs, and what does not apply to an adapter must not vanish in silence either: here every clause that is left
 * out is spelled out, and a test fails where the list is not the true one.
 */
export function pinnedRunner(leftOut: Readonly<Record<string, readonly string[]>>): ContractRunner {
  const omitted: string[] = [];
  const expected = Object.entries(leftOut).flatMap(([reason, names]) =>
    names.map((name) => `${name} (not applicable: ${reason})`),
  );
  return {
    describe: (name, body) =>
      describe(name, () => {
        body();
        it('leaves out only the clauses that its spec names', () => {
          expect(omitted.toSorted()).toEqual(expected.toSorted());
        });
      }),
    it: Object.assign((name: string, body: () => Promise<void>, timeoutMs?: number) => it(name, body, timeoutMs), {
      skip: (name: string) => void omitted.push(name),
    }),
  };
}
