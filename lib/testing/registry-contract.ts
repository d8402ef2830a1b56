import { runClauses, type ContractClause, type ContractRunner } from './contract-runner.js';
import { NEEDS, type RegistryClause } from './registry-clause.js';
import { closingClauses } from './registry-clauses/closing.js';
import { leaseClauses } from './registry-clauses/leases.js';
import { outageClauses } from './registry-clauses/outages.js';
import { queryClauses } from './registry-clauses/queries.js';
import { recordClauses } from './registry-clauses/records.js';
import { watchClauses } from './registry-clauses/watching.js';
import type { RegistryBackend, RegistryFixture } from './registry-fixture.js';
import { limitsOf, RegistryTrial } from './registry-trial.js';
import { within } from './waiting.js';

/**
 * The suite that every registry adapter must pass, run against its real server.
 *
 * ```ts
 * import { registryContract } from 'nestjs-rookery/testing';
 *
 * registryContract('etcd', {
 *   capabilities: { leaseTtlMs: 5_000, ttlGranularityMs: 1_000 },
 *   create: async () => ({ registry: connect(), another: async () => connect(), close: async () => {} }),
 *   restartServer: () => server.restart(),
 * }, { describe, it });
 * ```
 *
 * @param runner vitest's, jest's, mocha's or node:test's `describe` and `it`; without it, the global ones
 * @publicApi
 */
export function registryContract<B extends RegistryBackend>(
  name: string,
  fixture: RegistryFixture<B>,
  runner?: ContractRunner,
): void {
  runClauses(`registry contract: ${name}`, registryClauses(fixture), runner);
}

/**
 * The same as data, for whoever has another runner.
 *
 * @publicApi
 */
export function registryClauses<B extends RegistryBackend>(fixture: RegistryFixture<B>): ContractClause[] {
  // The hooks are only ever called with what `create` returned.
  const erased = fixture as unknown as RegistryFixture;
  return ALL.map((clause) => ({
    name: clause.name,
    notApplicable: clause.needs?.map((need) => NEEDS[need](erased)).find((reason) => reason !== undefined),
    timeoutMs: timeoutOf(erased),
    run: () => runClause(clause, erased),
  }));
}

const ALL: readonly RegistryClause[] = [
  ...recordClauses,
  ...queryClauses,
  ...watchClauses,
  ...leaseClauses,
  ...outageClauses,
  ...closingClauses,
];

async function runClause(clause: RegistryClause, fixture: RegistryFixture): Promise<void> {
  const trial = new RegistryTrial(fixture);
  const given = clause.given?.(trial) ?? [];
  try {
    await trial.open(given);
    await within(clause.name, timeoutOf(fixture) - CLOSING_MS, clause.run(trial, given));
  } finally {
    await trial.close();
  }
}

/** Part of a clause's time that is kept for putting away. */
const CLOSING_MS = 10_000;

/** Every clause waits a few times for each of these at most. */
function timeoutOf({ capabilities }: RegistryFixture): number {
  const { expiryMs, propagationMs, failureMs } = limitsOf(capabilities);
  return 2 * CLOSING_MS + 3 * expiryMs + 10 * propagationMs + 5 * failureMs;
}
