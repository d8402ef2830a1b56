import { describe, expect, it, vi } from 'vitest';

import { RookeryError } from '../../lib/core/errors.js';
import { TimerWheel } from '../../lib/core/timer-wheel.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { ServerBudgets } from '../../lib/transport/byte-budget.js';
import { ClientConnection, type ConnectionCall } from '../../lib/transport/client-connection.js';
import { KEEP_ALIVE_TIMES } from '../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../lib/transport/limits.js';
import { OutgoingCall } from '../../lib/transport/outgoing-call.js';
import { ServerConnection } from '../../lib/transport/server-connection.js';
import { KeyRing } from '../../lib/wire/auth.js';
import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { Flag, FrameType, PREFACE } from '../../lib/wire/frame.js';
import { jsonCodec } from '../../lib/wire/json-codec.js';
import { encodeManifest } from '../../lib/wire/manifest.js';
import { handlersOf } from '../unit/transport/support.js';
import { chunked, fuzz, fuzzPlan, mutated, prototypeState, type Draw } from './support/fuzz.js';
import { MemorySocket, settled } from './support/memory-socket.js';
import { callHead, clientHello, frame, request, serverHello, u32, type Frame } from './support/raw-peer.js';

/** Two runs of one session must say the same, so nonces are what they are. */
vi.mock('../../lib/wire/auth.js', async (original) => ({
  ...(await original<typeof import('../../lib/wire/auth.js')>()),
  freshNonce: () => 'AAECAwQFBgcICQoLDA0ODw',
}));

const WINDOW_BYTES = 64;
const LIMITS = {
  ...TRANSPORT_LIMITS,
  maxFrameBytes: 16_384,
  maxInFlightPerConnection: 4,
  streamWindowBytes: WINDOW_BYTES,
  maxSendBufferBytes: 4_096,
};
const PEER_LIMITS = { maxFrameBytes: 16_384, streamWindowBytes: WINDOW_BYTES, maxInFlight: 4 };
const KEYS = new KeyRing({ secrets: ['correct horse battery staple'] });
const CODECS = [jsonCodec()];

/** One stage of a session: its bytes arrive together, and then everybody has time to act. */
type Stage = readonly Buffer[];

/** What a session came to, in a form that two runs of it can be compared by. */
interface Outcome {
  told: string[];
  written: string;
  error: string;
}

interface Run {
  socket: MemorySocket;
  told: string[];
  closedWith: Error | undefined;
  /** After each stage. */
  afterStage(): void;
  /** After the connection is gone. */
  finish(): void;
}

async function play(run: Run, stages: readonly Stage[]): Promise<Outcome> {
  for (const chunks of stages) {
    for (const chunk of chunks) run.socket.feed(chunk);
    await settled();
    run.afterStage();
  }
  run.socket.destroy();
  await settled();
  run.finish();
  const { closedWith } = run;
  if (closedWith !== undefined && !RookeryError.is(closedWith))
    throw new Error('an error of no catalogue', { cause: closedWith });
  return { told: run.told, written: run.socket.written.toString('hex'), error: closedWith?.message ?? '' };
}

/** Plays the session as a whole and in pieces. */
async function playTwice(start: () => Run, stages: readonly Buffer[], draw: Draw): Promise<Outcome> {
  const whole = await play(
    start(),
    stages.map((bytes) => [bytes]),
  );
  const inPieces = await play(
    start(),
    stages.map((bytes) => chunked(bytes, draw)),
  );
  if (JSON.stringify(inPieces) !== JSON.stringify(whole)) {
    throw new Error(`cut otherwise it comes to ${JSON.stringify(inPieces)} instead of ${JSON.stringify(whole)}`);
  }
  return whole;
}

function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  const onFrame = (
    type: number,
    flags: number,
    code: number,
    callId: number,
    read: Buffer,
    start: number,
    end: number,
  ) => {
    frames.push({ type, flags, code, callId, payload: Buffer.from(read.subarray(start, end)) });
  };
  const decoder = new FrameDecoder({ onFrame }, 1 << 24);
  decoder.push(bytes);
  if (decoder.isMidFrame) throw new Error('half a frame was written');
  return frames;
}

const CLIENT_FRAMES = [
  request(1, 'echo', { id: 7 }),
  request(2, 'soon', [1, 2, 3]),
  request(3, 'stream'),
  request(4, 'burst'),
  request(5, 'fail'),
  request(6, 'wait'),
  request(7, 'nope'),
  frame(FrameType.REQUEST, { callId: 8, code: 0, payload: Buffer.concat([u32(50), Buffer.from('"by index"')]) }),
  frame(FrameType.REQUEST, { flags: Flag.RAW | Flag.PATTERN, callId: 9, payload: callHead('echo') }),
  frame(FrameType.EVENT, { flags: Flag.PATTERN, payload: callHead('placed', 1) }),
  frame(FrameType.EVENT, { flags: Flag.PATTERN | Flag.ACK, callId: 10, payload: callHead('placed', 2) }),
  frame(FrameType.CANCEL, { callId: 3 }),
  frame(FrameType.CANCEL, { callId: 6, code: 1 }),
  frame(FrameType.CREDIT, { callId: 3, payload: u32(26) }),
  frame(FrameType.CREDIT, { callId: 4, payload: u32(13) }),
  frame(FrameType.PING, { callId: 99 }),
  frame(FrameType.PONG, { callId: 99 }),
  frame(FrameType.GOAWAY, { payload: 'bye' }),
  frame(0x80, { payload: 'extension' }),
];

describe('ServerConnection, fuzzed', () => {
  /** Handlers of every kind, and a look at whether they run when nobody may call any more. */
  function serverRun(hasKeys: boolean): Run {
    const socket = new MemorySocket();
    const told: string[] = [];
    let taken = 0;
    let endless = 0;
    const ran = (what: string, data: unknown) => {
      if (!socket.isOpen) throw new Error(`"${what}" ran after its connection had ended`);
      told.push(`${what}(${JSON.stringify(data)})`);
    };
    const handlers = handlersOf({
      echo: (data) => (ran('echo', data), data),
      soon: async (data) => (ran('soon', data), data),
      stream: (data) => (ran('stream', data), numbers()),
      burst: (data) => (ran('burst', data), { subscribe: burst }),
      fail: (data) => {
        ran('fail', data);
        throw new Error('no');
      },
      wait: (data) => {
        ran('wait', data);
        endless++;
        return new Promise(() => undefined);
      },
      placed: { kind: 'event', handle: (data) => ran('placed', data) },
    });
    const run: Run = {
      socket,
      told,
      closedWith: undefined,
      afterStage: () => undefined,
      finish: () => {
        if (taken !== endless) throw new Error(`${taken} slots are taken, and ${endless} handlers run`);
      },
    };
    const connection = new ServerConnection(socket.asSocket(), {
      self: { service: 'orders', instance: 'orders-1' },
      keys: hasKeys ? KEYS : new KeyRing(undefined),
      codecs: CODECS,
      limits: PEER_LIMITS,
      transportLimits: LIMITS,
      handlers,
      manifest: (maxBytes) => encodeManifest(handlers.list, maxBytes),
      wheel: new TimerWheel(new FakeClock()),
      keepAlive: KEEP_ALIVE_TIMES,
      budgets: new ServerBudgets(LIMITS.maxBufferedBytes),
      takeSlot: () => taken < 6 && taken++ < 6,
      freeSlot: () => void taken--,
      onHandshakeFailed: () => 0,
      onReady: () => told.push('ready'),
      onClosed: (_, error) => (run.closedWith = error),
    });
    if (connection.isAuthenticated) throw new Error('authenticated before a byte was read');
    return run;
  }

  async function* numbers() {
    for (let number = 0; number < 10; number++) yield number;
  }

  function burst(observer: { next(value: unknown): void; complete(): void }) {
    for (let number = 0; number < 10; number++) observer.next(number);
    observer.complete();
    return { unsubscribe: () => undefined };
  }

  function checkWritten(hex: string): void {
    const bytes = Buffer.from(hex, 'hex');
    if (bytes.length === 0) return;
    const frames = framesOf(bytes);
    const fatal = frames.findIndex(({ type, code }) => type === FrameType.GOAWAY && code !== 0);
    if (fatal >= 0 && fatal !== frames.length - 1) throw new Error('something was sent after the last GOAWAY');
    const mayCome = [
      FrameType.HELLO,
      FrameType.AUTH,
      FrameType.MANIFEST,
      FrameType.REPLY,
      FrameType.ERROR,
      FrameType.PONG,
      FrameType.GOAWAY,
    ] as number[];
    for (const { type } of frames)
      if (!mayCome.includes(type)) throw new Error(`the server sent a frame of type ${type}`);
  }

  it('does the same however its bytes are cut, ends every call once, and runs nothing after its end', async () => {
    const before = prototypeState();
    const hello = frame(FrameType.HELLO, { payload: clientHello({ limits: PEER_LIMITS }) });
    const helloWithKeys = frame(FrameType.HELLO, { payload: clientHello({ limits: PEER_LIMITS, keys: KEYS.current.map(({ id }) => id) }) });
    await fuzz(fuzzPlan('server connection', 6_000), async (draw) => {
      const hasKeys = draw(8) === 0;
      const pick = () => Array.from({ length: 1 + draw(6) }, () => CLIENT_FRAMES[draw(CLIENT_FRAMES.length)]!);
      const opening =
        draw(4) === 0
          ? mutated([PREFACE, hasKeys ? helloWithKeys : hello], CLIENT_FRAMES, draw)
          : Buffer.concat([PREFACE, hello]);
      const stages = [opening, ...Array.from({ length: 1 + draw(3) }, () => mutated(pick(), CLIENT_FRAMES, draw))];
      checkWritten((await playTwice(() => serverRun(hasKeys), stages, draw)).written);
    });
    expect(prototypeState()).toBe(before);
  }, 3_600_000);
});

const SERVER_FRAMES = [
  frame(FrameType.REPLY, { flags: Flag.END, callId: 1, payload: '{"id":7}' }),
  frame(FrameType.REPLY, { flags: Flag.END | Flag.RAW, callId: 2, payload: 'raw' }),
  frame(FrameType.REPLY, { callId: 3, payload: '"one value"' }),
  frame(FrameType.REPLY, { callId: 3, payload: '"another value"' }),
  frame(FrameType.REPLY, { flags: Flag.END | Flag.NO_VALUE, callId: 3 }),
  frame(FrameType.REPLY, { flags: Flag.END, callId: 2 }),
  frame(FrameType.ERROR, { callId: 4, payload: '{"code":"ABORTED","message":"no","data":[1]}' }),
  frame(FrameType.ERROR, { flags: Flag.REFUSED, callId: 1, payload: '{"reason":"SERVER_BUSY"}' }),
  frame(FrameType.REPLY, { flags: Flag.END, callId: 77, payload: '1' }),
  frame(FrameType.PING, { callId: 5 }),
  frame(FrameType.PONG, { callId: 5 }),
  frame(FrameType.GOAWAY, { callId: 0xffff_ffff, payload: 'draining' }),
  frame(FrameType.GOAWAY, { callId: 2, payload: 'closed' }),
  frame(FrameType.GOAWAY, { code: 1, callId: 3, payload: 'violation' }),
  frame(0x90, { payload: 'extension' }),
];

describe('ClientConnection, fuzzed', () => {
  class FuzzCall implements ConnectionCall {
    callId = 0;
    heldBytes = 0;
    owedBytes = 0;
    isOver = false;
    readonly call: OutgoingCall;

    constructor(
      private readonly name: string,
      private readonly told: string[],
    ) {
      const isPulled = name === 'c';
      this.call = new OutgoingCall('orders', 'message', name, name, { isPulled }, 0, 10_000, true);
    }

    next(value: unknown): void {
      this.say(`next ${JSON.stringify(value)}`, false);
    }
    last(value: unknown): void {
      this.say(`last ${JSON.stringify(value)}`, true);
    }
    complete(): void {
      this.say('complete', true);
    }
    fail(error: RookeryError): void {
      if (!RookeryError.is(error)) throw new Error('an error of no catalogue', { cause: error });
      this.say(`fail ${error.reason} ${error.outcome}`, true);
    }

    private say(what: string, isLast: boolean): void {
      if (this.isOver) throw new Error(`call ${this.name} hears "${what}" after its end`);
      this.isOver = isLast;
      this.told.push(`${this.name}: ${what}`);
    }
  }

  function clientRun(hasKeys: boolean): Run {
    const socket = new MemorySocket();
    const told: string[] = [];
    const calls: FuzzCall[] = [];
    const connection = new ClientConnection(
      socket.asSocket(),
      {
        self: { service: 'checkout', instance: 'checkout-1' },
        expected: { service: 'orders', instance: 'orders-1' },
        keys: hasKeys ? KEYS : new KeyRing(undefined),
        codecs: CODECS,
        limits: PEER_LIMITS,
        transportLimits: LIMITS,
        keepAlive: KEEP_ALIVE_TIMES,
        wheel: new TimerWheel(new FakeClock()),
      },
      {
        onReady: () => told.push('ready'),
        onDraining: () => told.push('draining'),
        onClosed: (_, error) => {
          told.push(`closed ${error.reason}`);
          run.closedWith = error;
        },
      },
    );
    const run: Run = {
      socket,
      told,
      closedWith: undefined,
      afterStage: () => {
        for (const name of ['a', 'b', 'c', 'd']) {
          if (!connection.hasRoom || calls.length >= 8) return;
          const call = new FuzzCall(name, told);
          calls.push(call);
          connection.send(call, undefined, 0);
        }
      },
      finish: () => {
        if (calls.some(({ isOver }) => !isOver)) throw new Error('a call never ended');
        if (told.filter((what) => what.startsWith('closed')).length !== 1)
          throw new Error('not told once that it closed');
      },
    };
    return run;
  }

  it('does the same however its bytes are cut, and ends every call exactly once', async () => {
    const before = prototypeState();
    const hello = frame(FrameType.HELLO, { payload: serverHello({ limits: PEER_LIMITS }) });
    const manifest = frame(FrameType.MANIFEST, {
      payload: '{"patterns":[{"pattern":"a","kind":"message"},{"pattern":"b","kind":"message","timeoutMs":5}]}',
    });
    const proof = frame(FrameType.AUTH, { payload: Buffer.alloc(32, 7) });
    await fuzz(fuzzPlan('client connection', 6_000), async (draw) => {
      const hasKeys = draw(16) === 0;
      const pick = () => Array.from({ length: 1 + draw(6) }, () => SERVER_FRAMES[draw(SERVER_FRAMES.length)]!);
      const opening =
        draw(4) === 0
          ? mutated([PREFACE, hello, manifest], [...SERVER_FRAMES, proof, hello], draw)
          : Buffer.concat([PREFACE, hello, manifest]);
      const stages = [opening, ...Array.from({ length: 1 + draw(3) }, () => mutated(pick(), SERVER_FRAMES, draw))];
      await playTwice(() => clientRun(hasKeys), stages, draw);
    });
    expect(prototypeState()).toBe(before);
  }, 3_600_000);
});
