import { describe, expect, it } from 'vitest';

import { call, GREETED_BYTES, greeting, numbered } from './bytes.js';
import { expectGrowthWithin, expectUnharmed } from './expectations.js';
import { ADDRESSES } from './flooder.js';
import { TIMES } from './scale.js';
import { besiege, type Siege } from './siege.js';
import { PEER_LIMITS } from '../wire/support/raw-peer.js';

const READERS = 50;
const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 1_600;
const CUT_BOUND_MS = TIMES.sendStallMs + 2_000;

/** Readers of streams of 100 MB who stop in the middle. */
function stopReading(name: string, streams: number, streamWindowBytes: number, stopAfterBytes: number): Promise<Siege> {
  const { sendStallMs } = TIMES;
  return besiege({
    name,
    server: { options: { limits: { sendStallMs } }, chunks: CHUNKS, chunkBytes: CHUNK_BYTES },
    plan: {
      addresses: ADDRESSES,
      connections: READERS,
      rampMs: 500,
      opening: greeting({ limits: { ...PEER_LIMITS, streamWindowBytes } }),
      awaitBytes: GREETED_BYTES,
      lead: numbered(streams, (id) => call('dump', id)),
      stopAfterBytes,
      forMs: CUT_BOUND_MS + 3_000,
    },
  });
}

/** When each reader was cut, in ms since the last of them stopped. */
function cutsMs({ flood, after }: Siege): number[] {
  const cut = after.partings.filter(({ reason }) => reason === 'CONNECTION_LOST');
  return cut.map(({ atMs }) => atMs - flood.lastStopAtMs);
}

export function readerFloods(): void {
  describe('readers that stop in the middle of their streams', () => {
    it('are cut when what waits for them has waited for too long, and cost little until then', async () => {
      const siege = await stopReading('50 readers, any window', 1, 0xffff_ffff, 5_000_000);
      expectUnharmed(siege);
      expect(siege.flood.bytesRead).toBeGreaterThan(READERS * 5_000_000);
      expect(cutsMs(siege)).toHaveLength(READERS);
      expect(Math.max(...cutsMs(siege))).toBeLessThanOrEqual(CUT_BOUND_MS);
      expectGrowthWithin(siege, 64);
    });

    it('cost no more where each has several streams', async () => {
      const siege = await stopReading('50 readers, 8 streams each', 8, 256 * 1024, 500_000);
      expectUnharmed(siege);
      expectGrowthWithin(siege, 64);
    });
  });
}
