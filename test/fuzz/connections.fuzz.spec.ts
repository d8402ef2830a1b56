import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { Flag, FrameType, PREFACE } from '../../lib/wire/frame.js';
import { callHead, frame, request, u32 } from '../wire/support/raw-peer.js';
import { MANIFESTS, SERVER_HELLOS } from './support/client-commands.js';
import { ClientRig } from './support/client-rig.js';
import { keptBytes } from './support/corpus.js';
import { Dice, oneOf, type Draw } from './support/draw.js';
import { EVERY_FRAME } from './support/frames.js';
import { freezeTime } from './support/frozen-time.js';
import { settled } from './support/memory-socket.js';
import { mutated } from './support/mutate.js';
import { readNaively, typeName, TYPE_NAMES, type Expectation } from './support/naive-decoder.js';
import { assertPrototypesUntouched, UncaughtWatch } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';
import { playAllWays, sessionFailure, type Playable } from './support/play.js';
import { HELLOS } from './support/server-commands.js';
import { ServerRig, PATTERNS } from './support/server-rig.js';
import { Transcript } from './support/transcript.js';
import { rowsOf, violationRow } from './support/violations.js';

/** Two runs of one session must say the same, so nonces are what they are. */
vi.mock('../../lib/wire/auth.js', async (original) => ({
  ...(await original<typeof import('../../lib/wire/auth.js')>()),
  freshNonce: () => 'AAECAwQFBgcICQoLDA0ODw',
}));

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

/** With secrets, and a client that makes no calls. */
interface Variant {
  folder: string;
  hasKeys: boolean;
  isQuiet: boolean;
}

const PLAIN: Variant = { folder: '', hasKeys: false, isQuiet: false };
const WITH_KEYS: Variant = { folder: '-with-keys', hasKeys: true, isQuiet: false };
const QUIET: Variant = { folder: '-quiet', hasKeys: false, isQuiet: true };
const VARIANTS = [PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, WITH_KEYS, QUIET];

/** One end, and the peer that it is fuzzed by. */
interface Side {
  role: 'server' | 'client';
  start(variant: Variant): Playable;
  /** How a well-behaved peer begins. */
  opening(hasKeys: boolean): Buffer[];
  hellos: readonly Buffer[];
  frames: readonly Buffer[];
  /** What it may write. */
  writes: readonly number[];
}

const NEXT_PREFACE = Buffer.from('ROOKERY\u0002');
const FLOOD = Buffer.concat(Array.from({ length: 150 }, () => frame(FrameType.PING)));

function sessionOf(side: Side, hasKeys: boolean, draw: Draw): Buffer[] {
  const well = side.opening(hasKeys);
  if (draw(16) === 0) well[1] = frame(FrameType.HELLO, { payload: oneOf(side.hellos, draw) });
  if (draw(64) === 0) well[0] = NEXT_PREFACE;
  const opening = draw(4) === 0 ? mutated(well, [...side.frames, ...well], draw) : Buffer.concat(well);
  const stages = [opening];
  for (let count = 1 + draw(3); count > 0; count--) {
    const picked = Array.from({ length: 1 + draw(6) }, () => oneOf(side.frames, draw));
    stages.push(draw(256) === 0 ? FLOOD : mutated(picked, [...side.frames, ...EVERY_FRAME], draw));
  }
  return stages;
}

async function assertSound(
  side: Side,
  variant: Variant,
  stages: readonly Buffer[],
  draw: Draw,
): Promise<Error | undefined> {
  const { written, error } = await playAllWays(() => side.start(variant), stages, draw);
  uncaught.assertQuiet();
  const frames = new Transcript().read(written);
  const fatal = frames.findIndex(({ type, code }) => type === FrameType.GOAWAY && code !== 0);
  if (fatal >= 0 && fatal !== frames.length - 1) throw new Error('something was written after the last GOAWAY');
  const strange = frames.find(({ type }) => !side.writes.includes(type));
  if (strange) throw new Error(`a ${side.role} wrote a frame of type ${strange.type}`);
  return error;
}

async function assertSideHolds(side: Side): Promise<void> {
  const plan = fuzzPlan(`${side.role} connection`, { always: 4_000, ci: 20_000 });
  const reached = new Reached([...TYPE_NAMES, ...rowsOf(side.role), 'no violation']);
  const dice = new Dice();
  const startMs = Date.now();
  for (let index = 0; index < plan.runs; index++) {
    const seed = plan.seed + index;
    const { draw } = dice.seed(seed);
    const variant = oneOf(VARIANTS, draw);
    const stages = sessionOf(side, variant.hasKeys, draw);
    let error: Error | undefined;
    try {
      error = await assertSound(side, variant, stages, draw);
    } catch (cause) {
      const fails = (part: readonly Buffer[]) =>
        assertSound(side, variant, part, draw).then(
          () => false,
          () => true,
        );
      throw await sessionFailure(side.role + variant.folder, seed, stages, cause, fails);
    }
    tally(reached, stages, error);
  }
  report(plan, Date.now() - startMs, reached);
  assertPrototypesUntouched();
  if (plan.isWhole) expect(reached.missing).toEqual([]);
}

const expectation: Expectation = { boundaries: [], reason: undefined };

function tally(reached: Reached, stages: readonly Buffer[], error: Error | undefined): void {
  reached.count(violationRow(error) ?? 'no violation');
  const bytes = Buffer.concat(stages);
  readNaively(bytes, () => 16_384, expectation);
  for (const start of expectation.boundaries.slice(0, -1)) reached.count(typeName(bytes[start + 4]!));
}

const byText = (pattern: string) => ({ flags: Flag.PATTERN, payload: callHead(pattern, 1) });

const SERVER: Side = {
  role: 'server',
  start({ hasKeys }) {
    const rig = new ServerRig(hasKeys);
    return {
      socket: rig.socket,
      clock: rig.clock,
      told: rig.told,
      mustEnd: true,
      get closedWith() {
        return rig.closedWith;
      },
      afterStage: () => rig.jobs[1]?.next('moved on'),
      finish: async () => {
        rig.endJobs();
        await settled();
        rig.assertNothingLeft();
      },
    };
  },
  opening: () => [PREFACE, frame(FrameType.HELLO, { payload: HELLOS.keyed })],
  hellos: Object.values(HELLOS),
  frames: [
    ...PATTERNS.slice(0, 6).map((pattern, index) => request(index + 1, pattern, index)),
    request(7, 'nope'),
    frame(FrameType.REQUEST, { callId: 8, code: 0, payload: Buffer.concat([u32(50), Buffer.from('"by index"')]) }),
    frame(FrameType.REQUEST, { flags: Flag.RAW | Flag.PATTERN, callId: 9, payload: callHead('echo') }),
    request(10, 'count'),
    frame(FrameType.EVENT, byText('placed')),
    frame(FrameType.EVENT, { ...byText('placed'), flags: Flag.PATTERN | Flag.ACK, callId: 11 }),
    frame(FrameType.EVENT, { ...byText('later'), flags: Flag.PATTERN | Flag.ACK, callId: 12 }),
    frame(FrameType.CANCEL, { callId: 6 }),
    frame(FrameType.CANCEL, { callId: 4, code: 1 }),
    frame(FrameType.CREDIT, { callId: 6, payload: u32(26) }),
    frame(FrameType.CREDIT, { callId: 10, payload: u32(13) }),
    frame(FrameType.PING, { callId: 99 }),
    frame(FrameType.PONG, { callId: 99 }),
    frame(FrameType.GOAWAY, { payload: 'bye' }),
    frame(FrameType.AUTH, { payload: Buffer.alloc(32, 7) }),
    frame(0x80, { payload: 'extension' }),
  ],
  writes: [
    FrameType.HELLO,
    FrameType.AUTH,
    FrameType.MANIFEST,
    FrameType.REPLY,
    FrameType.ERROR,
    FrameType.PING,
    FrameType.PONG,
    FrameType.GOAWAY,
  ],
};

const CLIENT: Side = {
  role: 'client',
  start({ hasKeys, isQuiet }) {
    const rig = new ClientRig(hasKeys);
    return {
      socket: rig.socket,
      clock: rig.clock,
      told: rig.told,
      // The time for the handshake is its dialer's affair.
      get mustEnd() {
        return rig.connection.state !== 'handshake';
      },
      get closedWith() {
        return rig.closedWith;
      },
      afterStage: () => {
        for (const kind of ['unary', 'acked', 'pulled', 'unary'] as const)
          if (!isQuiet && rig.calls.length < 8) rig.start(kind, kind === 'acked' ? 'b' : 'a');
      },
      finish: () => {
        if (rig.calls.some(({ isOver }) => !isOver)) throw new Error('a call never ended');
        rig.assertNothingLeft();
      },
    };
  },
  opening: (hasKeys) => [
    PREFACE,
    frame(FrameType.HELLO, { payload: hasKeys ? SERVER_HELLOS.keyed : SERVER_HELLOS.plain }),
    frame(FrameType.MANIFEST, { payload: MANIFESTS.right }),
  ],
  hellos: Object.values(SERVER_HELLOS),
  frames: [
    frame(FrameType.REPLY, { flags: Flag.END, callId: 1, payload: '{"id":7}' }),
    frame(FrameType.REPLY, { flags: Flag.END | Flag.RAW, callId: 2, payload: 'raw' }),
    frame(FrameType.REPLY, { callId: 3, payload: '"one value"' }),
    frame(FrameType.REPLY, { callId: 3, payload: `"${'another value '.repeat(4)}"` }),
    frame(FrameType.REPLY, { flags: Flag.END | Flag.NO_VALUE, callId: 3 }),
    frame(FrameType.REPLY, { flags: Flag.END, callId: 2 }),
    frame(FrameType.REPLY, { callId: 4, payload: '{"broken' }),
    frame(FrameType.ERROR, { callId: 4, payload: '{"code":"ABORTED","message":"no","data":[1]}' }),
    frame(FrameType.ERROR, { flags: Flag.REFUSED, callId: 1, payload: '{"reason":"SERVER_BUSY"}' }),
    frame(FrameType.REPLY, { flags: Flag.END, callId: 77, payload: '1' }),
    frame(FrameType.PING, { callId: 5 }),
    frame(FrameType.PONG, { callId: 5 }),
    frame(FrameType.GOAWAY, { callId: 0xffff_ffff, payload: 'draining' }),
    frame(FrameType.GOAWAY, { callId: 2, payload: 'closed' }),
    frame(FrameType.GOAWAY, { code: 1, callId: 3, payload: 'violation' }),
    frame(FrameType.AUTH, { payload: Buffer.alloc(32, 7) }),
    frame(0x90, { payload: 'extension' }),
  ],
  writes: [
    FrameType.HELLO,
    FrameType.AUTH,
    FrameType.REQUEST,
    FrameType.EVENT,
    FrameType.CANCEL,
    FrameType.CREDIT,
    FrameType.PING,
    FrameType.PONG,
  ],
};

describe.each([SERVER, CLIENT])('A $role connection, fuzzed', (side) => {
  for (const variant of [PLAIN, WITH_KEYS, QUIET]) {
    it.each(keptBytes(side.role + variant.folder))(
      'does as it should what once went wrong: $name',
      async ({ content }) => {
        for (let seed = 0; seed < 32; seed++) await assertSound(side, variant, content, new Dice(seed).draw);
      },
    );
  }

  it('does the same however its bytes are cut, ends every call once, and itself within its bounds', async () => {
    await assertSideHolds(side);
  }, 3_600_000);
});
