import { describe, expect, it } from 'vitest';

import { registryClauses } from '../../lib/testing/registry-contract.js';
import { WRITABLE } from './left-out.js';
import { pinnedRunner } from './pinned-runner.js';
import { pretendFixture } from './pretend-server.js';
import { SABOTEURS, type Sabotage } from './saboteurs.js';
import { registryContract } from '../../lib/testing/index.js';

registryContract(
  'a pretended server',
  pretendFixture({ ttlMs: 200, propagationMs: 1_000, failureMs: 2_000 }),
  pinnedRunner(WRITABLE),
);

describe('the registry contract', () => {
  const hasty = { ttlMs: 60, propagationMs: 100, failureMs: 100 };

  async function catches(_: string, clauseName: string, sabotage: Sabotage): Promise<void> {
    const fixture = pretendFixture(hasty, (right, server) =>
      Object.assign(Object.create(right), sabotage(right, server)),
    );
    const clause = registryClauses(fixture).find(({ name }) => name === clauseName);
    await expect(clause?.run()).rejects.toThrow();
  }

  // What is open is counted for the whole process, so those who leak are tried alone.
  const [leaking, others] = [true, false].map((isLeaking) =>
    SABOTEURS.filter(([bug]) => bug.startsWith('leaks') === isLeaking),
  );
  it.each(leaking!)('catches an adapter that %s: it %s', catches);
  it.concurrent.each(others!)('catches an adapter that %s: it %s', catches);

  it('has a saboteur for every clause that applies to a server', () => {
    const clauses = registryClauses(pretendFixture(hasty)).filter(({ notApplicable }) => notApplicable === undefined);
    const caught = new Set(SABOTEURS.map(([, clause]) => clause));
    expect(clauses.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });
});
