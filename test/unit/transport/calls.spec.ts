import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { seededRng } from '../../../lib/core/random.js';
import type { IncomingCall } from '../../../lib/transport/incoming-call.js';
import { Flag, FrameType, NO_LAST_CALL } from '../../../lib/wire/frame.js';
import { callHead, frame, rawClient, rawServer, request } from '../../wire/support/raw-peer.js';
import { dial, errorOf, eventually, pause, serve } from './support.js';

const FOREVER = () => new Promise(() => undefined);

/** Handlers throw whatever they like. */
function throwing(thrown: unknown): never {
  throw thrown as Error;
}

describe('a call', () => {
  it.each<[string, unknown]>([
    ['a value', { a: [1, 'x', null] }],
    ['a Buffer', Buffer.from([0, 1, 255])],
    ['nothing', undefined],
    ['null', null],
  ])('brings %s there and back', async (_, value) => {
    const { port } = await serve({ echo: (data) => data });
    const line = await dial(port);
    expect(await line.all('echo', value)).toEqual([value]);
  });

  it('finds its handler by index where the server announced the pattern, and by text otherwise', async () => {
    const { port } = await serve({ echo: (data) => data });
    const line = await dial(port);
    expect(line.connection.announced({ kind: 'message', pattern: 'echo' } as never)).toMatchObject({ index: 0 });
    const peer = await (await rawClient(port)).greet();
    peer.send(
      frame(FrameType.REQUEST, {
        callId: 1,
        code: 0,
        payload: Buffer.concat([Buffer.from([0, 0, 4, 0]), Buffer.from('7')]),
      }),
    );
    peer.send(request(2, 'echo', 7));
    expect([
      (await peer.next(FrameType.REPLY)).payload.toString(),
      (await peer.next(FrameType.REPLY)).payload.toString(),
    ]).toEqual(['7', '7']);
  });

  it('without a handler is refused, by index as by text', async () => {
    const { port } = await serve({ echo: (data) => data, 'an.event': { kind: 'event', handle: () => undefined } });
    const line = await dial(port);
    expect(await errorOf(line.ask('nope'))).toMatchObject({
      reason: 'NO_HANDLER',
      outcome: 'refused',
      code: 'UNIMPLEMENTED',
    });
    expect(await errorOf(line.ask('an.event'))).toMatchObject({ reason: 'NO_HANDLER' });
    const peer = await (await rawClient(port)).greet();
    for (const code of [1, 2, 0xffff]) {
      peer.send(frame(FrameType.REQUEST, { callId: 1, code, payload: Buffer.from([0, 0, 4, 0]) }));
      expect(await peer.next(FrameType.ERROR)).toMatchObject({ callId: 1, flags: Flag.REFUSED });
    }
  });

  it.each<[string, () => unknown]>([
    [
      'throws an Error',
      () => {
        throw new Error('sold out');
      },
    ],
    ['throws later', () => Promise.reject(new Error('sold out'))],
    ['throws text', () => throwing('sold out')],
    ['throws an object', () => throwing({ message: 'sold out' })],
  ])('whose handler %s fails with what it said, and is taken for handled', async (_, handle) => {
    const { port } = await serve({ fail: handle });
    const error = await errorOf((await dial(port)).ask('fail'));
    expect(error).toMatchObject({ reason: 'HANDLER_THREW', outcome: 'handled', message: 'sold out' });
  });

  const untouchable = () => new Proxy({}, { get: () => throwing(new Error('gotcha')) });
  const brokenIterable = () => ({
    [Symbol.asyncIterator]() {
      throw new Error('gotcha');
    },
  });
  const brokenObservable = () => ({
    subscribe() {
      throw new Error('gotcha');
    },
  });
  const unprintable = () => {
    throw Object.assign(new Error('x'), { message: Symbol('gotcha') });
  };

  it.each<[string, () => unknown]>([
    ['returns a thing that cannot even be asked for its `then`', untouchable],
    ['returns a thing that cannot be iterated', brokenIterable],
    ['returns a promise of a thing that cannot be iterated', async () => brokenIterable()],
    ['returns a thing that cannot be subscribed to', brokenObservable],
    ['returns a promise of a thing that cannot be subscribed to', async () => brokenObservable()],
    ['throws an error that cannot be told', unprintable],
    ['returns what the codec cannot write', () => 1n],
    [
      'streams what the codec cannot write',
      async function* () {
        yield 1n;
      },
    ],
    ['throws null', () => throwing(null)],
  ])('whose handler %s fails alone: the connection and its other calls go on', async (_, handle) => {
    const { acceptor, port } = await serve({
      odd: handle,
      echo: (data) => data,
      wait: () => pause(50).then(() => 'waited'),
    });
    const line = await dial(port);
    const other = line.ask('wait');
    expect(await errorOf(line.ask('odd'))).toMatchObject({ outcome: 'handled' });
    expect(await other).toBe('waited');
    expect(await line.ask('echo', 1)).toBe(1);
    await eventually(() => acceptor.inFlight === 0);
  });

  it('with a body that cannot be read is refused before its handler runs', async () => {
    let runs = 0;
    const { acceptor, port } = await serve({ echo: () => void runs++ });
    const peer = await (await rawClient(port)).greet();
    peer.send(
      frame(FrameType.REQUEST, {
        flags: Flag.PATTERN,
        callId: 1,
        payload: Buffer.concat([callHead('echo'), Buffer.from('{')]),
      }),
    );
    const refusal = await peer.next(FrameType.ERROR);
    expect(refusal.flags).toBe(Flag.REFUSED);
    expect(JSON.parse(refusal.payload.toString())).toMatchObject({ reason: 'DECODE_FAILED' });
    expect([runs, acceptor.inFlight]).toEqual([0, 0]);
  });

  it('that cannot be written fails at once, and takes no place', async () => {
    const { port } = await serve({ echo: (data) => data }, { limits: { maxFrameBytes: 20_000 } });
    const line = await dial(port);
    expect(await errorOf(line.ask('echo', { big: 1n }))).toMatchObject({
      reason: 'ENCODE_FAILED',
      outcome: 'never-sent',
    });
    expect(await errorOf(line.ask('echo', 'x'.repeat(20_000)))).toMatchObject({
      reason: 'FRAME_TOO_LARGE',
      outcome: 'never-sent',
    });
    expect(await errorOf(line.ask('p'.repeat(300)))).toMatchObject({
      reason: 'PATTERN_INVALID',
      outcome: 'never-sent',
    });
    expect(line.connection.inFlight).toBe(0);
    expect(await line.ask('echo', 'fine')).toBe('fine');
  });

  it('whose reply is too large for the caller fails as handled', async () => {
    const { port } = await serve({ big: () => 'x'.repeat(20_000) });
    const line = await dial(port, { limits: { maxFrameBytes: 16_384 } });
    expect(await errorOf(line.ask('big'))).toMatchObject({ reason: 'FRAME_TOO_LARGE', outcome: 'handled' });
  });
});

describe('an event', () => {
  const eventHandler = (handle: (data: unknown, call: IncomingCall) => unknown) => ({
    placed: { kind: 'event' as const, handle },
  });
  const event = (flags: number, callId: number, body: unknown) =>
    frame(FrameType.EVENT, { flags: Flag.PATTERN | flags, callId, payload: callHead('placed', body) });

  it('is answered by nobody, whatever becomes of it', async () => {
    const seen: unknown[] = [];
    const { acceptor, port } = await serve(
      eventHandler((data) => {
        seen.push(data);
        throw new Error('no');
      }),
    );
    const peer = await (await rawClient(port)).greet();
    peer.send(
      event(0, 0, 1),
      event(0, 0, 2),
      frame(FrameType.EVENT, { flags: Flag.PATTERN, payload: callHead('unknown') }),
    );
    await peer.settled();
    expect(seen).toEqual([1, 2]);
    expect(peer.frames.filter(({ type }) => type === FrameType.ERROR || type === FrameType.REPLY)).toEqual([]);
    expect(acceptor.inFlight).toBe(0);
  });

  it('with ACK is answered when its handler has ended, or failed', async () => {
    const { port } = await serve(
      eventHandler(async (data) => {
        await pause(20);
        if (data === 2) throw new Error('no');
      }),
    );
    const peer = await (await rawClient(port)).greet();
    peer.send(event(Flag.ACK, 1, 1), event(Flag.ACK, 2, 2));
    expect(await peer.next(FrameType.REPLY)).toMatchObject({ callId: 1, flags: Flag.END });
    expect(await peer.next(FrameType.ERROR)).toMatchObject({ callId: 2 });
  });
});

describe('the limit of calls in flight', () => {
  it('of a connection refuses what is over it, unexecuted', async () => {
    const { acceptor, port } = await serve({ wait: FOREVER }, { limits: { maxInFlightPerConnection: 2 } });
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'wait'), request(2, 'wait'), request(3, 'wait'));
    const refusal = await peer.next(FrameType.ERROR);
    expect(refusal).toMatchObject({ callId: 3, flags: Flag.REFUSED });
    expect(JSON.parse(refusal.payload.toString())).toMatchObject({ reason: 'SERVER_BUSY', code: 'RESOURCE_EXHAUSTED' });
    expect(acceptor.inFlight).toBe(2);
  });

  it('of the process counts all connections', async () => {
    const { acceptor, port } = await serve({ wait: FOREVER, echo: (data) => data }, { limits: { maxInFlight: 2 } });
    const [one, two] = [await dial(port), await dial(port)];
    one.start('wait');
    const held = two.start('wait');
    await eventually(() => acceptor.inFlight === 2);
    expect(await errorOf(one.ask('echo', 1))).toMatchObject({ reason: 'SERVER_BUSY', outcome: 'refused' });
    expect(held.callId).toBeGreaterThan(0);
  });

  it('counts a cancelled call until its handler has ended', async () => {
    let finish: (value: unknown) => void = () => undefined;
    const { acceptor, port } = await serve(
      { slow: () => new Promise((resolve) => (finish = resolve)), echo: (data) => data },
      { limits: { maxInFlightPerConnection: 1 } },
    );
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'slow'), frame(FrameType.CANCEL, { callId: 1 }), request(2, 'echo', 1));
    expect(await peer.next(FrameType.ERROR)).toMatchObject({ callId: 2, flags: Flag.REFUSED });
    expect(acceptor.inFlight).toBe(1);
    finish('late');
    await eventually(() => acceptor.inFlight === 0);
    peer.send(request(3, 'echo', 1));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(3);
  });

  it('is kept by the client, which asks for no more than the server announced', async () => {
    const { port } = await serve({ wait: FOREVER }, { limits: { maxInFlightPerConnection: 3 } });
    const line = await dial(port);
    for (let index = 0; index < 3; index++) line.start('wait');
    expect(line.connection.hasRoom).toBe(false);
    expect(await errorOf(line.ask('wait'))).toMatchObject({ reason: 'TOO_MANY_CALLS', outcome: 'never-sent' });
  });
});

describe('the end of a caller’s patience', () => {
  it.each<[string, number, string]>([
    ['a cancellation', 0, 'CALLER_ABORTED'],
    ['an expired deadline', 1, 'DEADLINE_EXPIRED'],
    ['a reason nobody knows', 77, 'CALLER_ABORTED'],
  ])('reaches the handler through its signal: %s', async (_, code, reason) => {
    let told: unknown;
    const { port } = await serve({
      wait: (_data, call) => {
        call.signal.addEventListener('abort', () => (told = call.signal.reason));
        return FOREVER();
      },
    });
    const line = await dial(port);
    const call = line.start('wait');
    await pause(10);
    call.cancel(code);
    await eventually(() => told !== undefined);
    expect(told).toMatchObject({ reason });
  });

  it('reaches a handler that looks at its signal only afterwards', async () => {
    let look: () => void = () => undefined;
    let told: IncomingCall | undefined;
    const { port } = await serve({
      wait: async (_data, call) => {
        await new Promise<void>((resolve) => (look = resolve));
        told = call;
      },
    });
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'wait'), frame(FrameType.CANCEL, { callId: 1 }));
    await peer.settled();
    look();
    await eventually(() => told !== undefined);
    expect([told!.isCancelled, told!.signal.aborted]).toEqual([true, true]);
  });

  it('reaches the handlers of a connection that is gone', async () => {
    let aborted = 0;
    const { port } = await serve({
      wait: (_data, call) => {
        call.signal.addEventListener('abort', () => aborted++);
        return FOREVER();
      },
    });
    const line = await dial(port);
    for (let index = 0; index < 5; index++) line.start('wait');
    await pause(20);
    line.connection.destroy(new RookeryError('CLIENT_CLOSED', 'gone'));
    await eventually(() => aborted === 5);
  });

  it('ends a handler’s call at the deadline it came with, and answers nobody', async () => {
    let told: unknown;
    const { port } = await serve({
      wait: (_data, call) => {
        call.signal.addEventListener('abort', () => (told = call.signal.reason));
        return FOREVER();
      },
    });
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'wait', undefined, 60));
    await eventually(() => told !== undefined);
    expect(told).toMatchObject({ reason: 'DEADLINE_EXPIRED' });
    await peer.settled();
    expect(peer.frames.filter(({ type }) => type === FrameType.ERROR || type === FrameType.REPLY)).toEqual([]);
  });

  it('drops the reply that comes all the same', async () => {
    const { port } = await serve({ slow: () => pause(60).then(() => 'late'), echo: (data) => data });
    const line = await dial(port);
    expect(await errorOf(line.ask('slow', undefined, 20))).toMatchObject({ reason: 'DEADLINE_EXPIRED' });
    await pause(80);
    expect(await line.ask('echo', 'on time')).toBe('on time');
  });

  it('drops a reply that crosses the cancellation on the wire', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      for (;;) {
        const { callId } = await peer.next(FrameType.REQUEST, 60_000);
        if (callId === 1) await peer.next(FrameType.CANCEL);
        peer.send(frame(FrameType.REPLY, { flags: 1, callId, payload: JSON.stringify(`reply ${callId}`) }));
      }
    });
    const line = await dial(port);
    const replies: unknown[] = [];
    line.start('slow', undefined, (error) => replies.push(error)).cancel();
    expect(await line.ask('next')).toBe('reply 2');
    expect(replies).toEqual([]);
  });
});

describe('replies', () => {
  it('never cross, within a connection or between two, over 10,000 calls that end in any order', async () => {
    const seed = Number(process.env['ROOKERY_SEED'] ?? Date.now() % 2 ** 31);
    const rng = seededRng(seed);
    console.log(`replies never cross: ROOKERY_SEED=${seed}`);
    const { port } = await serve({
      now: (data) => data,
      soon: (data) => Promise.resolve(data),
      later: (data) => new Promise((resolve) => setTimeout(() => resolve(data), 1 + Math.floor(rng() * 8))),
      tick: (data) => new Promise((resolve) => setImmediate(() => resolve(data))),
      many: async function* (data) {
        for (let part = 0; part < 3; part++) yield [data, part];
      },
    });
    const lines = await Promise.all([dial(port), dial(port)]);
    const patterns = ['now', 'soon', 'later', 'tick'];
    let wrong = 0;
    let left = 10_000;

    async function caller(name: string): Promise<void> {
      while (left-- > 0) {
        const line = lines[Math.floor(rng() * 2)]!;
        const id = `${name}:${left}:${rng().toString(36)}`;
        const pattern = patterns[Math.floor(rng() * patterns.length)]!;
        if (rng() < 0.1) {
          const parts = (await line.all('many', id, 20_000)) as [string, number][];
          if (parts.map(([back, part]) => `${back}#${part}`).join() !== [0, 1, 2].map((part) => `${id}#${part}`).join())
            wrong++;
        } else if ((await line.ask(pattern, id, 20_000)) !== id) wrong++;
        if (rng() < 0.05) line.start(pattern, 'cancelled').cancel();
      }
    }
    await Promise.all(Array.from({ length: 128 }, (_, index) => caller(`caller ${index}`)));
    expect(wrong, `seed ${seed}`).toBe(0);
  }, 30_000);
});

describe('calls lost with their connection', () => {
  /** A server that takes two calls, then says which was the last, and closes. */
  async function lostBy(code: number, last: (ids: number[]) => number) {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      const ids = [(await peer.next(FrameType.REQUEST)).callId, (await peer.next(FrameType.REQUEST)).callId];
      peer.send(frame(FrameType.GOAWAY, { code, callId: last(ids), payload: 'bye' }));
      peer.socket.end();
    });
    const line = await dial(port);
    const errors = await Promise.all([errorOf(line.ask('a')), errorOf(line.ask('b'))]);
    return errors.map(({ reason, outcome }) => `${reason} ${outcome}`);
  }

  it('were refused where they are above the last id the server took', async () => {
    expect(await lostBy(0, ([first]) => first!)).toEqual(['CONNECTION_LOST unknown', 'PEER_DRAINING refused']);
  });

  it('are of unknown fate where the server promises nothing', async () => {
    expect(await lostBy(0, () => NO_LAST_CALL)).toEqual(['CONNECTION_LOST unknown', 'CONNECTION_LOST unknown']);
  });

  it('were refused, all of them, where the server took none', async () => {
    expect(await lostBy(1, () => 0)).toEqual(['PEER_DRAINING refused', 'PEER_DRAINING refused']);
  });

  it('go by the last GOAWAY where there are several', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      const { callId } = await peer.next(FrameType.REQUEST);
      peer.send(frame(FrameType.GOAWAY, { callId: NO_LAST_CALL }), frame(FrameType.GOAWAY, { callId: callId - 1 }));
      peer.socket.end();
    });
    expect(await errorOf((await dial(port)).ask('a'))).toMatchObject({ reason: 'PEER_DRAINING', outcome: 'refused' });
  });

  it('are of unknown fate where the connection just breaks', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      await peer.next(FrameType.REQUEST);
      peer.socket.resetAndDestroy();
    });
    expect(await errorOf((await dial(port)).ask('a'))).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
  });
});
