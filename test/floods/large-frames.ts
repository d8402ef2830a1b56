import { describe, expect, it } from 'vitest';

import { Flag } from '../../lib/wire/frame.js';
import { callWith, GREETED_BYTES, greeting, partOfCall } from './bytes.js';
import { expectGrowthWithin } from './expectations.js';
import { ADDRESSES } from './flooder.js';
import { atScale } from './scale.js';
import { besiege, type Siege } from './siege.js';

const MB = 1024 * 1024;
const BODY_BYTES = 4 * MB - 16;
const BUDGET_MB = 128;
/** A budget counts what is held; what was let go of is collected a little later. */
const UNCOLLECTED_MB = 64;

const server = { options: { limits: { maxBufferedBytes: BUDGET_MB * MB } } };

function expectAllServed({ during }: Siege): void {
  expect(during.calls.failed).toEqual([]);
  expect(during.newcomers.failed).toEqual([]);
}

export function largeFrameFloods(): void {
  describe('frames of 4 MB', () => {
    it('to a slow handler: as many run as the budget holds, and honest calls go on', async () => {
      const connections = 16;
      const calls = atScale(1_024, 256);
      const siege = await besiege({
        name: `${calls} calls of 4 MB`,
        server,
        plan: {
          addresses: ADDRESSES,
          connections,
          opening: greeting(),
          awaitBytes: GREETED_BYTES,
          batch: callWith('slow', Buffer.alloc(BODY_BYTES, 1), { flags: Flag.RAW }),
          callIdAt: 8,
          batches: calls,
          staysMs: 2_000,
          forMs: 40_000,
        },
      });
      expectAllServed(siege);
      expect(siege.flood.batches).toBe(calls);
      expect(siege.after.mostRunning * BODY_BYTES).toBeLessThanOrEqual((BUDGET_MB * MB * 3) / 8);
      expectGrowthWithin(siege, BUDGET_MB + UNCOLLECTED_MB);
    });

    it('that never end: those who have sent of them for the longest are cut', async () => {
      const connections = atScale(300, 150);
      const siege = await besiege({
        name: `${connections} parts of 4 MB`,
        server,
        plan: {
          addresses: ADDRESSES,
          connections,
          rampMs: 2_000,
          opening: greeting(),
          awaitBytes: GREETED_BYTES,
          lead: partOfCall(BODY_BYTES, BODY_BYTES),
          forMs: 6_000,
        },
      });
      expectAllServed(siege);
      expect(siege.after.partings.some(({ reason }) => reason === 'TOO_MANY_BYTES')).toBe(true);
      expect(siege.flood.standing * BODY_BYTES).toBeLessThanOrEqual((BUDGET_MB * MB) / 8);
      expectGrowthWithin(siege, BUDGET_MB + UNCOLLECTED_MB);
    });
  });
}
