import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { asJsonFinding, keptValues } from './support/corpus.js';
import { freezeTime } from './support/frozen-time.js';
import { assertPrototypesUntouched, UncaughtWatch } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';
import { lastCommand, serverCommand, strangeOpening, type ServerCommand } from './support/server-commands.js';
import { ServerTrial } from './support/server-trial.js';
import { rowsOf, rowsUnknown, violationRow } from './support/violations.js';

/** Two runs of one session must say the same, so nonces are what they are. */
vi.mock('../../lib/wire/auth.js', async (original) => ({
  ...(await original<typeof import('../../lib/wire/auth.js')>()),
  freshNonce: () => 'AAECAwQFBgcICQoLDA0ODw',
}));

interface Session {
  hasKeys: boolean;
  chunkBytes: number;
  commands: ServerCommand[];
}

const well = (hasKeys: boolean): ServerCommand[] => [
  { do: 'preface', how: 'right' },
  { do: 'hello', how: 'keyed' },
  ...(hasKeys ? [{ do: 'auth', how: 'right' } as const] : []),
];

const commands = (maxLength: number) => fc.array(serverCommand, { maxLength, size: 'max' });
const shape = { hasKeys: fc.boolean(), chunkBytes: fc.constantFrom(0, 0, 1, 5, 13) };

const session: fc.Arbitrary<Session> = fc.oneof(
  {
    weight: 60,
    arbitrary: fc
      .record({ ...shape, rest: commands(24) })
      .map(({ rest, ...given }) => ({ ...given, commands: [...well(given.hasKeys), ...rest] })),
  },
  {
    weight: 20,
    arbitrary: fc
      .record({ ...shape, opening: strangeOpening, rest: commands(12) })
      .map(({ opening, rest, ...given }) => ({ ...given, commands: [...opening, ...rest] })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ ...shape, rest: commands(3), last: lastCommand })
      .map(({ rest, last, ...given }) => ({ ...given, commands: [...well(given.hasKeys), ...rest, last] })),
  },
);

describe('ServerConnection and its model', () => {
  const uncaught = new UncaughtWatch();
  let thaw = () => {};
  beforeAll(() => {
    thaw = freezeTime();
    uncaught.watch();
  });
  afterAll(() => {
    thaw();
    uncaught.stop();
  });

  async function assertAgreement({ hasKeys, chunkBytes, commands }: Session, reached?: Reached): Promise<void> {
    const trial = new ServerTrial(hasKeys, chunkBytes);
    for (const command of commands) {
      reached?.count(command.do);
      await trial.give(command);
    }
    await trial.finish();
    reached?.count(violationRow(trial.rig.closedWith) ?? 'no violation');
    uncaught.assertQuiet();
  }

  it.each(keptValues('server-model'))('agree on what once went wrong: $name', async ({ content }) => {
    await assertAgreement(content as Session);
  });

  it('agree on whatever a client does', async () => {
    const plan = fuzzPlan('server model', { always: 2_000, ci: 20_000 });
    const reached = new Reached([...rowsOf('server'), 'no violation']);
    const startMs = Date.now();
    const property = fc.asyncProperty(session, (given) => assertAgreement(given, reached));
    const { failed, counterexample, errorInstance } = await fc.check(property, { seed: plan.seed, numRuns: plan.runs });
    if (failed) {
      const found = counterexample ? asJsonFinding('server-model', counterexample[0]) : '';
      throw new Error(`${(errorInstance as Error)?.message}; ROOKERY_FUZZ_SEED=${plan.seed}, and ${found}`, {
        cause: errorInstance,
      });
    }
    report(plan, Date.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 3_600_000);

  it('cover every violation that the protocol lists', () => {
    expect(rowsUnknown()).toEqual([]);
  });
});
