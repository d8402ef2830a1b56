import { describe, expect, it } from 'vitest';

import { expectCheap, expectCutWithin, expectGrowthWithin, expectUnharmed } from './expectations.js';
import { ADDRESSES, type FloodPlan } from './flooder.js';
import { GREETED_BYTES, greeting, partOfCall } from './bytes.js';
import { atScale, IS_FULL, TIMES } from './scale.js';
import { besiege, type Siege } from './siege.js';

const MANY = atScale(2_000, 400);
const SOME = atScale(200, 100);
const RAMP_MS = 500;

/** Within a second of the limit. */
const HELLO_BOUND_MS = TIMES.helloTimeoutMs + 1_000;
const FRAME_BOUND_MS = TIMES.frameTimeoutMs + 5_000;

const { helloTimeoutMs, frameTimeoutMs } = TIMES;
const limits = { helloTimeoutMs, frameTimeoutMs, ...(!IS_FULL && { maxUnauthenticated: 128 }) };
const withSecret = { options: { limits, auth: { secrets: ['known to honest clients only'] } } };

/** Who never says who it is. */
function beforeTheHello(name: string, plan: Partial<FloodPlan>): Promise<Siege> {
  const connections = { addresses: ADDRESSES, connections: MANY, rampMs: RAMP_MS, forMs: HELLO_BOUND_MS + 3_000 };
  return besiege({ name, server: withSecret, plan: { ...connections, ...plan } });
}

/** Who says who it is, and then sends a frame of so many bytes one by one. */
function afterTheHello(name: string, frameBytes: number): Promise<Siege> {
  return besiege({
    name,
    server: { options: { limits } },
    plan: {
      addresses: ADDRESSES,
      connections: MANY,
      rampMs: 2 * RAMP_MS,
      opening: greeting(),
      awaitBytes: GREETED_BYTES,
      drip: { bytes: partOfCall(frameBytes, 1_000), everyMs: 1_000 },
      forMs: FRAME_BOUND_MS + 3_000,
    },
  });
}

export function connectionFloods(): void {
  describe('connections', () => {
    it('that say nothing are cut, and honest ones get in', async () => {
      const siege = await beforeTheHello(`${MANY} silent`, {});
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: MANY, standing: 0, unreached: 0 });
      expectCutWithin(siege, HELLO_BOUND_MS, 'HANDSHAKE_FAILED', 'TOO_MANY_CONNECTIONS');
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('that drip their hello are cut, and honest ones get in', async () => {
      const drip = { bytes: greeting(), everyMs: 1_000 };
      const siege = await beforeTheHello(`${MANY} dripping a hello`, { drip });
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: MANY, standing: 0, unreached: 0 });
      expectCutWithin(siege, HELLO_BOUND_MS, 'HANDSHAKE_FAILED', 'TOO_MANY_CONNECTIONS');
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('that say half a hello are cut', async () => {
      const hello = greeting();
      const opening = hello.subarray(0, hello.length / 2);
      const siege = await beforeTheHello(`${SOME} half hellos`, { connections: SOME, opening });
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: SOME, standing: 0, unreached: 0 });
      expectCutWithin(siege, HELLO_BOUND_MS, 'HANDSHAKE_FAILED');
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('from one address never hold more than half of the places for those who have not said who they are', async () => {
      const siege = await beforeTheHello(`${MANY} silent from one address`, { addresses: ADDRESSES.slice(0, 1) });
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: MANY, standing: 0, unreached: 0 });
      expectCutWithin(siege, HELLO_BOUND_MS, 'HANDSHAKE_FAILED', 'TOO_MANY_CONNECTIONS');
      const timedOut = siege.after.partings.filter(({ reason }) => reason === 'HANDSHAKE_FAILED');
      expect(timedOut).toHaveLength(atScale(256, 64));
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('that come back as soon as they are cut keep nobody out', async () => {
      const siege = await beforeTheHello(`${MANY} silent that return`, { returns: true, forMs: atScale(6_000, 3_000) });
      expectUnharmed(siege);
      expect(siege.flood.opened).toBeGreaterThan(2 * MANY);
      expectCheap(siege);
    });

    it('that drip a frame after their hello are cut', async () => {
      const siege = await afterTheHello(`${MANY} dripping a frame of 1 KB`, 1_000);
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: MANY, standing: 0, unreached: 0 });
      expectCutWithin(siege, FRAME_BOUND_MS, 'FRAME_TIMEOUT');
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('that drip a frame as large as allowed are cut no later', async () => {
      const siege = await afterTheHello(`${MANY} dripping a frame of 4 MB`, 4_000_000);
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ cut: MANY, standing: 0, unreached: 0 });
      expectCutWithin(siege, FRAME_BOUND_MS, 'FRAME_TIMEOUT');
      expectGrowthWithin(siege, 40);
      expectCheap(siege);
    });

    it('of one address stay within its limit', async () => {
      const maxConnectionsPerAddress = 256;
      const siege = await besiege({
        name: 'one address after the hello',
        server: { options: { limits: { maxConnectionsPerAddress } } },
        plan: {
          addresses: ADDRESSES.slice(0, 1),
          connections: MANY,
          rampMs: RAMP_MS,
          opening: greeting(),
          forMs: 2_500,
        },
      });
      expectUnharmed(siege);
      expect(siege.flood).toMatchObject({ standing: maxConnectionsPerAddress, cut: MANY - maxConnectionsPerAddress });
      expectCheap(siege);
    });
  });
}
