/** One rule of a contract: a sentence, and what proves it. */
export interface ContractClause {
  readonly name: string;
  /** Why it does not apply to this adapter; `undefined` where it does. */
  readonly notApplicable: string | undefined;
  /** It ends within this time, one way or the other. */
  readonly timeoutMs: number;
  /** Rejects, with an `AssertionError` where the adapter breaks the rule. */
  run(): Promise<void>;
}

/** What a contract needs of a test runner: vitest, jest, mocha and node:test have it. */
export interface ContractRunner {
  describe(name: string, body: () => void): unknown;
  it: {
    (name: string, body: () => Promise<void>, timeoutMs?: number): unknown;
    skip(name: string, body: () => Promise<void>): unknown;
  };
}

/**
 * Makes a test of each clause. One that does not apply is listed as skipped, with the reason in its name.
 *
 * @param runner without it, the global `describe` and `it`
 */
export function runClauses(
  name: string,
  clauses: readonly ContractClause[],
  { describe, it }: ContractRunner = globalRunner(),
): void {
  describe(name, () => {
    for (const clause of clauses) {
      if (clause.notApplicable === undefined) it(clause.name, () => clause.run(), clause.timeoutMs);
      else it.skip(`${clause.name} (not applicable: ${clause.notApplicable})`, () => clause.run());
    }
  });
}

function globalRunner(): ContractRunner {
  const { describe, it } = globalThis as Partial<ContractRunner>;
  if (describe && it) return { describe, it };
  throw new TypeError("no global describe and it; pass your runner's: { describe, it }");
}
