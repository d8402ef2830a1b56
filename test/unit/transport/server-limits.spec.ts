import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { of } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';

import { Flag, FrameType, GoawayCode, PREFACE } from '../../../lib/wire/frame.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { callHead, clientHello, frame, rawClient, RawPeer, request, u32 } from '../../wire/support/raw-peer.js';
import { dial, eventually, pause, QUICK_KEEP_ALIVE, serve } from './support.js';

const KIB = 1_024;
const MIB = 1_024 * KIB;

const idle = (type: number, fields = {}) => Buffer.concat(Array.from({ length: 101 }, () => frame(type, fields)));

async function goaway(peer: RawPeer): Promise<[number, string]> {
  const { code, payload } = await peer.next(FrameType.GOAWAY);
  return [code, payload.toString()];
}

describe('a peer that sends what leads to nothing', () => {
  it.each<[string, Buffer]>([
    ['PONGs', idle(FrameType.PONG)],
    ['GOAWAYs', idle(FrameType.GOAWAY)],
    ['unknown extensions', idle(0x99)],
    ['CANCELs of calls that are not there', idle(FrameType.CANCEL, { callId: 9 })],
    ['CREDIT for calls that are not there', idle(FrameType.CREDIT, { callId: 9, payload: u32(MIB) })],
    ['events nobody handles', idle(FrameType.EVENT, { flags: Flag.PATTERN, payload: callHead('nope') })],
    [
      'events with a pattern over the limit',
      idle(FrameType.EVENT, { flags: Flag.PATTERN, payload: callHead('x'.repeat(300)) }),
    ],
  ])('is cut after so many %s in a second, and is told so', async (_, flood) => {
    const { acceptor, port } = await serve({ echo: (data) => data }, { limits: { maxIdleFramesPerSecond: 100 } });
    const honest = await dial(port);
    const peer = await (await rawClient(port)).greet();
    peer.send(flood);
    const [code, text] = await goaway(peer);
    expect([code, text]).toEqual([GoawayCode.FLOOD, expect.stringContaining('limits.maxIdleFramesPerSecond')]);
    await peer.closed;
    await eventually(() => acceptor.connections.size === 1);
    expect(acceptor.refusals).toEqual({ PEER_FLOODED: 1 });
    expect(await honest.ask('echo', 'still here')).toBe('still here');
  });

  it('is cut after so many calls beyond those it may have in flight', async () => {
    const { port } = await serve(
      { wait: () => new Promise(() => undefined) },
      { limits: { maxIdleFramesPerSecond: 100, maxInFlightPerConnection: 2 } },
    );
    const peer = await (await rawClient(port)).greet();
    peer.send(...Array.from({ length: 103 }, (_, index) => request(index + 1, 'wait')));
    expect((await goaway(peer))[0]).toBe(GoawayCode.FLOOD);
  });

  it('is cut after so many tiny credits for a stream that runs', async () => {
    const { port } = await serve({ stream: () => numbers() }, { limits: { maxIdleFramesPerSecond: 100 } });
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'stream'));
    await eventually(() => peer.frames.length > 50);
    peer.send(...Array.from({ length: 101 }, () => frame(FrameType.CREDIT, { callId: 1, payload: u32(1) })));
    expect((await goaway(peer))[0]).toBe(GoawayCode.FLOOD);
  });

  it('is cut after so many PINGs in a second', async () => {
    const { port } = await serve({}, { limits: { maxPingsPerSecond: 10 } });
    const peer = await (await rawClient(port)).greet();
    peer.send(...Array.from({ length: 11 }, () => frame(FrameType.PING)));
    expect((await goaway(peer))[1]).toContain('limits.maxPingsPerSecond');
    expect(peer.frames.filter(({ type }) => type === FrameType.PONG)).toHaveLength(10);
  });

  it('is cut after so many calls that it cancels at once', async () => {
    const { acceptor, port } = await serve(
      { wait: () => new Promise(() => undefined) },
      { limits: { maxCancelsPerSecond: 50 } },
    );
    const peer = await (await rawClient(port)).greet();
    for (let id = 1; id <= 51; id++) peer.send(request(id, 'wait'), frame(FrameType.CANCEL, { callId: id }));
    expect((await goaway(peer))[1]).toContain('limits.maxCancelsPerSecond');
    expect(acceptor.inFlight).toBeLessThanOrEqual(51);
  });

  it('is not cut for streams it leaves after a value, nor for calls whose deadline has passed', async () => {
    const { acceptor, port } = await serve(
      { stream: () => numbers(), wait: () => new Promise(() => undefined) },
      { limits: { maxCancelsPerSecond: 5 } },
    );
    const peer = await (await rawClient(port)).greet();
    for (let id = 1; id <= 10; id++) peer.send(request(id, 'stream'));
    await eventually(() => new Set(peer.frames.map(({ callId }) => callId)).size > 10);
    for (let id = 1; id <= 10; id++) peer.send(frame(FrameType.CANCEL, { callId: id }));
    for (let id = 11; id <= 20; id++)
      peer.send(request(id, 'wait', undefined, 90), frame(FrameType.CANCEL, { callId: id, code: 1 }));
    await peer.settled();
    expect(acceptor.refusals).toEqual({});
  });

  it('is not cut where most of its calls are not cancelled', async () => {
    const { port } = await serve(
      { echo: (data) => data },
      { limits: { maxCancelsPerSecond: 10, maxIdleFramesPerSecond: 1_000 } },
    );
    const peer = await (await rawClient(port)).greet();
    const calls = Array.from({ length: 100 }, (_, index) => request(index + 1, 'echo', index));
    const cancels = Array.from({ length: 40 }, (_, index) => frame(FrameType.CANCEL, { callId: index + 1 }));
    peer.send(frame(FrameType.CANCEL, { callId: 1 }), ...calls, ...cancels);
    await peer.settled();
    expect(peer.frames.filter(({ type }) => type === FrameType.REPLY)).toHaveLength(100);
  });
});

describe('a peer that sends many calls at once', () => {
  it('does not keep the others waiting until all of them have run', async () => {
    let ran = 0;
    const { port } = await serve({ work: () => ++ran, ran: () => ran }, { limits: { maxInFlight: 1_000_000 } });
    const peer = await (await rawClient(port)).greet();
    const honest = await dial(port);
    const calls = Array.from({ length: 2_000 }, (_, index) => request(index + 1, 'work'));
    peer.send(...calls);
    const ranBefore = (await honest.ask('ran')) as number;
    expect(ranBefore).toBeLessThan(1_000);
    await eventually(() => peer.frames.length === 2_001);
    expect(peer.frames.slice(1).map(({ callId }) => callId)).toEqual(calls.map((_, index) => index + 1));
  });

  it('may end its side right behind them: they are all read', async () => {
    let ran = 0;
    const { port } = await serve({ work: () => void ran++ });
    const peer = await (await rawClient(port)).greet();
    peer.send(...Array.from({ length: 1_000 }, (_, index) => request(index + 1, 'work')));
    peer.socket.end();
    await peer.closed;
    expect(ran).toBe(1_000);
  });
});

describe('a frame that takes too long to arrive', () => {
  const QUICK = { frameTimeoutMs: 300, minFrameBytesPerSecond: MIB };

  it.each<[string, Buffer]>([
    ['in the middle of its header', frame(FrameType.PING).subarray(0, 5)],
    ['in the middle of its payload', request(1, 'echo', 'x'.repeat(1_000)).subarray(0, 500)],
  ])('ends the connection %s, however regularly its bytes drip', async (_, half) => {
    const { acceptor, port } = await serve({}, { limits: QUICK, keepAlive: QUICK_KEEP_ALIVE });
    const peer = await (await rawClient(port)).greet();
    const dripping = setInterval(() => peer.socket.writable && peer.send(half.subarray(-1)), 100);
    onTestFinished(() => clearInterval(dripping));
    peer.send(half.subarray(0, -1));
    const [code, text] = await goaway(peer);
    expect([code, text]).toEqual([GoawayCode.PROTOCOL_ERROR, expect.stringContaining('limits.frameTimeoutMs')]);
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.refusals).toEqual({ FRAME_TIMEOUT: 1 });
  });

  it('has as much longer as its bytes take at the least rate', async () => {
    const { port } = await serve(
      { size: (data) => (data as string).length },
      { limits: QUICK, keepAlive: QUICK_KEEP_ALIVE },
    );
    const peer = await (await rawClient(port)).greet();
    const whole = request(1, 'size', 'x'.repeat(MIB));
    const step = Math.ceil(whole.length / 9);
    for (let at = 0; at < whole.length; at += step) {
      peer.send(whole.subarray(at, at + step));
      await pause(100);
    }
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe(String(MIB));
  });

  it('is not confused with one after the other, each of them in time', async () => {
    const { port } = await serve({ echo: (data) => data }, { limits: QUICK, keepAlive: QUICK_KEEP_ALIVE });
    const peer = await (await rawClient(port)).greet();
    const calls = Buffer.concat(Array.from({ length: 20 }, (_, index) => request(index + 1, 'echo', index)));
    const step = Math.ceil(calls.length / 11);
    for (let at = 0; at < calls.length; at += step) {
      peer.send(calls.subarray(at, at + step));
      await pause(60);
    }
    await peer.settled();
    expect(peer.frames.filter(({ type }) => type === FrameType.REPLY)).toHaveLength(20);
  });
});

describe('the bytes a server holds for its peers', () => {
  it('of bodies of running calls: further calls are refused, and taken again when some have ended', async () => {
    const finish: (() => void)[] = [];
    const { port } = await serve(
      { wait: () => new Promise<void>((resolve) => finish.push(resolve)), size: (data) => (data as string).length },
      { limits: { maxBufferedBytes: 8 * MIB } },
    );
    const line = await dial(port);
    const megabyte = 'x'.repeat(MIB);
    const waiting = [line.ask('wait', megabyte), line.ask('wait', megabyte)];
    await eventually(() => finish.length === 2);
    await expect(line.ask('size', megabyte)).rejects.toMatchObject({
      reason: 'SERVER_BUSY',
      outcome: 'refused',
      message: expect.stringContaining('limits.maxBufferedBytes'),
    });
    expect(await line.ask('size', 'small')).toBe(5);
    for (const done of finish) done();
    await Promise.all(waiting);
    expect(await line.ask('size', megabyte)).toBe(MIB);
  });

  it('of frames that have arrived in part: who has sent his longest ago is cut', async () => {
    const { acceptor, port } = await serve(
      { size: (data) => (data as string).length },
      { limits: { maxBufferedBytes: 8 * MIB } },
    );
    const half = request(1, 'size', 'x'.repeat(700 * KIB)).subarray(0, 600 * KIB);
    const first = await (await rawClient(port)).greet();
    first.send(half);
    await eventually(() => first.socket.bytesWritten > half.length && first.socket.writableLength === 0);
    await pause(50);
    const second = await (await rawClient(port)).greet();
    second.send(half);
    const [code, text] = await goaway(first);
    expect([code, text]).toEqual([GoawayCode.LIMIT_EXCEEDED, expect.stringContaining('limits.maxBufferedBytes')]);
    await eventually(() => acceptor.refusals.TOO_MANY_BYTES === 1);
    expect(await (await dial(port)).ask('size', 'x'.repeat(300 * KIB))).toBe(300 * KIB);
  });

  it('of replies that wait for their readers: who lets his wait for the longest is cut', async () => {
    const { acceptor, port } = await serve(
      { large: () => 'x'.repeat(3 * MIB) },
      { limits: { maxBufferedBytes: 8 * MIB } },
    );
    const peers: RawPeer[] = [];
    for (let count = 0; count < 2; count++) {
      const peer = await (await rawClient(port)).greet();
      peers.push(peer);
      peer.socket.pause();
      for (let id = 1; id <= 3; id++) peer.send(request(id, 'large'));
      await pause(100);
    }
    await eventually(() => acceptor.refusals.TOO_MANY_BYTES === 2 || acceptor.refusals.TOO_MANY_BYTES === 1);
    expect(await (await dial(port)).ask('large')).toHaveLength(3 * MIB);
  });

  it('is nothing when everybody has gone', async () => {
    const { acceptor, port } = await serve({ size: (data) => (data as string).length });
    const { budgets } = (
      acceptor as unknown as {
        context: {
          budgets: { arriving: { heldBytes: number }; leaving: { heldBytes: number }; bodies: { taken: number } };
        };
      }
    ).context;
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'size', 'x'.repeat(100 * KIB)).subarray(0, 90 * KIB));
    await eventually(() => budgets.arriving.heldBytes > 0);
    peer.socket.destroy();
    await eventually(() => acceptor.connections.size === 0);
    expect([budgets.arriving.heldBytes, budgets.leaving.heldBytes, budgets.bodies.taken]).toEqual([0, 0, 0]);
  });
});

describe('streams of one connection', () => {
  it('are as many as the limit says, counted from their first value', async () => {
    const { acceptor, port } = await serve(
      { stream: () => numbers(), few: () => of(1, 2, 3), wait: () => never(), echo: (data) => data },
      { limits: { maxStreamsPerConnection: 2 } },
    );
    const line = await dial(port);
    for (let count = 0; count < 10; count++) line.start('wait');
    const running = [line.start('stream'), line.start('stream')];
    await line.ask('echo');
    await expect(line.all('few')).rejects.toMatchObject({ reason: 'TOO_MANY_STREAMS', outcome: 'handled' });
    running[0]!.cancel();
    await eventually(() => acceptor.inFlight === 11);
    expect(await line.all('few')).toEqual([1, 2, 3]);
  });
});

describe('an address that keeps failing the handshake', () => {
  const keys = new KeyRing({ secrets: ['correct horse battery staple'] });

  async function failsAfterMs(port: number): Promise<number> {
    const startedAt = performance.now();
    const socket: Socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.9' });
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const peer = new RawPeer(socket);
    peer.send(PREFACE, frame(FrameType.HELLO, { payload: clientHello() }));
    expect((await goaway(peer))[0]).toBe(GoawayCode.AUTHENTICATION_FAILED);
    await peer.closed;
    return performance.now() - startedAt;
  }

  it('hears so later and later, while others, and those from there who succeed, do not wait', async () => {
    const { acceptor, port } = await serve({ echo: (data) => data }, { keys });
    const atOnce = [];
    for (let count = 0; count < 10; count++) atOnce.push(await failsAfterMs(port));
    const later = [await failsAfterMs(port), await failsAfterMs(port), await failsAfterMs(port)];
    expect(later[0]).toBeGreaterThan(95);
    expect(later[1]).toBeGreaterThan(195);
    expect(later[2]).toBeGreaterThan(395);
    expect(Math.min(...atOnce)).toBeLessThan(95);
    await eventually(() => acceptor.refusals.AUTHENTICATION_FAILED === 13);
    const slow = failsAfterMs(port);
    const startedAt = performance.now();
    expect(await (await dial(port, { keys })).ask('echo', 1)).toBe(1);
    expect(performance.now() - startedAt).toBeLessThan(700);
    expect(await slow).toBeGreaterThan(795);
  });
});

async function* numbers(): AsyncGenerator<number> {
  for (let value = 0; ; value++) {
    yield value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function* never(): AsyncGenerator<number> {
  await new Promise(() => undefined);
  yield 0;
}
