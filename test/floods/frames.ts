import { describe, expect, it } from 'vitest';

import { secretId } from '../../lib/wire/auth.js';
import { FrameType } from '../../lib/wire/frame.js';
import { frame } from '../wire/support/raw-peer.js';
import {
  ANSWER_BYTES,
  call,
  callByText,
  callWith,
  cancel,
  credit,
  event,
  GREETED_BYTES,
  greeting,
  numbered,
  partOfCall,
  times,
} from './bytes.js';
import { expectCheap, expectCutWithin, expectUnharmed } from './expectations.js';
import { ADDRESSES, type FloodPlan } from './flooder.js';
import type { FloodedSetup } from './flooded.js';
import { atScale } from './scale.js';
import { besiege, type Siege } from './siege.js';

/** 10 million in CI. */
const FRAMES = atScale(10_000_000, 2_000_000);
const BATCH = 5_000;
const CANCELLED = atScale(100_000, 20_000);
const FOR_MS = atScale(4_000, 2_000);
const CUT_BOUND_MS = 2_000;
const MAX_IN_FLIGHT = 1_024;

/** Connections that say hello, flood, and come back when they are cut. */
const RETURNING = {
  addresses: ADDRESSES,
  connections: 32,
  opening: greeting(),
  awaitBytes: GREETED_BYTES,
  returns: true,
  forMs: 15_000,
} satisfies Partial<FloodPlan>;

/** As many as it takes to have every place of the server for a call. */
const CALLERS = 8;

function flood(name: string, plan: Partial<FloodPlan>, server: FloodedSetup = {}): Promise<Siege> {
  return besiege({ name, server, plan: { ...RETURNING, ...plan } });
}

/** Of one frame, as many as are promised. */
async function expectUseless(name: string, frame: Buffer, plan: Partial<FloodPlan> = {}): Promise<void> {
  const siege = await flood(name, { batch: times(BATCH, frame), batches: FRAMES / BATCH, ...plan });
  expectUnharmed(siege);
  expectCheap(siege);
  expectCutWithin(siege, CUT_BOUND_MS, 'PEER_FLOODED');
  expect(siege.flood.batches * BATCH).toBe(FRAMES);
}

/** As many connections as come in a few seconds, each of which floods with calls or breaks a rule at once. */
async function expectViolation(
  name: string,
  plan: Partial<FloodPlan>,
  boundMs: number,
  reason: string,
): Promise<Siege> {
  const siege = await flood(name, { forMs: FOR_MS, ...plan });
  expectUnharmed(siege);
  expectCheap(siege);
  expectCutWithin(siege, boundMs, reason);
  return siege;
}

export function frameFloods(): void {
  describe('frames that are of no use', () => {
    it.each([
      ['PONGs', frame(FrameType.PONG)],
      ['PINGs', frame(FrameType.PING)],
      ['GOAWAYs', frame(FrameType.GOAWAY)],
      ['unknown optional frames', frame(0x90)],
      ['CANCELs for no call', cancel(9)],
      ['CREDITs for ended calls', credit(9, 100_000)],
    ])('%s: cut, cheap, and honest calls go on', (name, frame) => expectUseless(name, frame));

    it('credit in single bytes for a stream under way', async () => {
      // The stream is there when its first value is.
      const opening = Buffer.concat([greeting(), call('dump')]);
      await expectUseless('tiny CREDITs', credit(1, 1), { opening, awaitBytes: 100_000 });
    });
  });

  describe('calls that are of no use', () => {
    it('called and cancelled at once: never more handlers than allowed, whether or not they heed their callers', async () => {
      for (const pattern of ['patient', 'slow'] as const) {
        const pairs = numbered(1_000, (id) => Buffer.concat([call(pattern, id), cancel(id)]));
        const siege = await flood(`call and cancel "${pattern}"`, {
          connections: CALLERS,
          batch: pairs,
          forMs: FOR_MS,
        });
        expectUnharmed(siege);
        expectCheap(siege);
        expectCutWithin(siege, CUT_BOUND_MS, 'PEER_FLOODED');
        expect(siege.flood.batches * 1_000).toBeGreaterThanOrEqual(CANCELLED);
        expect(siege.after.mostRunning).toBeLessThanOrEqual(8 * MAX_IN_FLIGHT);
      }
    });

    it('to handlers that are not there', async () => {
      const calls = numbered(2_000, (id) => callByText('nobody.there', id));
      await expectViolation(
        'calls without a handler',
        { connections: CALLERS, batch: calls },
        CUT_BOUND_MS,
        'PEER_FLOODED',
      );
    });

    it('with bodies that cannot be read', async () => {
      const calls = numbered(2_000, (callId) => callWith('get', Buffer.from('['), { callId }));
      await expectViolation('unreadable bodies', { connections: CALLERS, batch: calls }, CUT_BOUND_MS, 'PEER_FLOODED');
    });

    it('with patterns that are too long', async () => {
      const calls = numbered(100, (id) => callByText('['.repeat(10_000), id));
      await expectViolation('patterns of 10 KB', { connections: CALLERS, batch: calls }, CUT_BOUND_MS, 'PEER_FLOODED');
    });

    it('beyond what may be in flight', async () => {
      // More than are looked at before the cut: ids of calls under way must not come again.
      const calls = numbered(60_000, (id) => call('slow', id));
      const siege = await flood('more calls than allowed', { connections: CALLERS, batch: calls, forMs: FOR_MS });
      expectUnharmed(siege);
      expectCutWithin(siege, CUT_BOUND_MS, 'PEER_FLOODED');
      expect(siege.after.mostRunning).toBeLessThanOrEqual(8 * MAX_IN_FLIGHT);
    });
  });

  describe('connections that break a rule at once', () => {
    it('announcing too much', async () => {
      const siege = await expectViolation(
        'oversize length',
        { lead: Buffer.from('ffffffff1000000000000001', 'hex') },
        CUT_BOUND_MS,
        'FRAME_TOO_LARGE',
      );
      expect(siege.flood.opened).toBeGreaterThan(100);
    });

    it('speaking something else', async () => {
      // The first ten of an address are cut at once, further ones wait up to three seconds for their answer, unread.
      const plan = { connections: atScale(400, 200), opening: Buffer.from('GET / HTTP/1.1\r\n\r\n'), awaitBytes: 0 };
      const siege = await expectViolation('bad magic', plan, 3_000 + 1_000, 'HANDSHAKE_FAILED');
      expect(siege.flood.lives.filter((ms) => ms < CUT_BOUND_MS).length).toBeGreaterThanOrEqual(160);
    });

    it('proving a secret they do not know', async () => {
      const secret = 'known to honest clients only';
      const plan = {
        connections: atScale(400, 200),
        opening: greeting({ keys: [secretId(secret)] }),
        lead: frame(FrameType.AUTH, { payload: Buffer.alloc(32) }),
      };
      const server = { options: { auth: { secrets: [secret] } } };
      const siege = await flood('wrong proofs', { forMs: FOR_MS, ...plan }, server);
      expectUnharmed(siege);
      expectCheap(siege);
      expectCutWithin(siege, 3_000 + 1_000, 'AUTHENTICATION_FAILED');
    });
  });

  describe('calls within the limits', () => {
    it('are served, however many: honest calls beside them go on', async () => {
      const inFlight = 50;
      const siege = await flood('calls, 4 x 50 in flight', {
        connections: 4,
        batch: numbered(inFlight, (id) => call('get', id)),
        answerBytes: inFlight * ANSWER_BYTES,
        forMs: FOR_MS,
      });
      expectUnharmed(siege);
      expectCheap(siege);
      expect(siege.flood.cut).toBe(0);
      expect(siege.after.run).toBeGreaterThan(siege.flood.batches * (inFlight - 1));
    });

    it('as events, whose handlers all run: honest calls beside them go on', async () => {
      // What it costs is the handlers' run, which is what events are for; the table has the figure.
      const batch = times(3_000, event());
      expectUnharmed(await flood('events', { connections: CALLERS, batch, forMs: FOR_MS }));
    });
  });

  describe('bytes that belong to no frame', () => {
    it('frames that are begun and never ended', async () => {
      const plan = { connections: 200, returns: false, lead: partOfCall(100_000, 50_000), forMs: FOR_MS };
      const siege = await flood('200 halves of frames', plan);
      expectUnharmed(siege);
      expectCheap(siege);
    });
  });
}
