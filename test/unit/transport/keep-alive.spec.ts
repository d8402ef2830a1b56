import { describe, expect, it } from 'vitest';

import { FrameType } from '../../../lib/wire/frame.js';
import { frame, rawClient, rawServer, request, type RawPeer } from '../../wire/support/raw-peer.js';
import { dial, errorOf, eventually, pause, QUICK_KEEP_ALIVE, serve } from './support.js';

const FOREVER = () => new Promise(() => undefined);
const NEVER_IDLE = { ...QUICK_KEEP_ALIVE, idleAfterMs: 60_000 };
const NEVER_BUSY = { ...QUICK_KEEP_ALIVE, busyAfterMs: 60_000 };

/** Answers pings until told otherwise. @returns tokens of the pings so far */
function answeringPings(peer: RawPeer, isAnswering: () => boolean = () => true): number[] {
  const tokens: number[] = [];
  void (async () => {
    for (;;) {
      const { callId } = await peer.next(FrameType.PING, 60_000);
      tokens.push(callId);
      if (isAnswering()) peer.send(frame(FrameType.PONG, { callId }));
    }
  })().catch(() => undefined);
  return tokens;
}

describe('keep-alive', () => {
  it('gives a peer up that goes silent with a call in flight, and leaves the call’s fate open', async () => {
    const { port } = await rawServer((peer) => peer.welcome());
    const line = await dial(port, { keepAlive: NEVER_IDLE });
    const started = performance.now();
    const error = await errorOf(line.ask('orders.place', undefined, 60_000));
    expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
    expect(error.message).toContain('went silent');
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('waits for a slow answer as long as the peer answers pings, each with its own token', async () => {
    let tokens: number[] = [];
    const { port } = await rawServer(async (peer) => {
      tokens = answeringPings(peer);
      await peer.welcome();
      const { callId } = await peer.next(FrameType.REQUEST);
      await pause(500);
      peer.send(frame(FrameType.REPLY, { flags: 1, callId, payload: '"slow"' }));
    });
    const line = await dial(port, { keepAlive: NEVER_IDLE });
    expect(await line.ask('orders.place', undefined, 60_000)).toBe('slow');
    expect(tokens.length).toBeGreaterThan(0);
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it('takes any bytes for a sign of life', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      const { callId } = await peer.next(FrameType.REQUEST);
      const chatter = setInterval(() => peer.send(frame(0x80)), 30);
      peer.socket.once('close', () => clearInterval(chatter));
      await pause(500);
      peer.send(frame(FrameType.REPLY, { flags: 1, callId, payload: '"alive"' }));
    });
    const line = await dial(port, { keepAlive: NEVER_IDLE });
    expect(await line.ask('orders.place', undefined, 60_000)).toBe('alive');
  });

  it('asks an idle peer too, and gives it up when it no longer answers', async () => {
    let tokens: number[] = [];
    const { port } = await rawServer(async (peer) => {
      tokens = answeringPings(peer, () => tokens.length < 2);
      await peer.welcome();
    });
    const line = await dial(port, { keepAlive: NEVER_BUSY });
    const error = await line.closed;
    expect(error).toMatchObject({ reason: 'CONNECTION_LOST' });
    expect(tokens.length).toBe(2);
  });

  it('of a server ends a silent client’s calls: their handlers hear it', async () => {
    let hasAborted = false;
    const { acceptor, port } = await serve(
      {
        wait: (_data, call) => {
          call.signal.addEventListener('abort', () => (hasAborted = true));
          return FOREVER();
        },
      },
      { keepAlive: QUICK_KEEP_ALIVE },
    );
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'wait'));
    await eventually(() => hasAborted);
    await peer.closed;
    await eventually(() => acceptor.connections.size === 0);
  });

  it('of two well-behaved ends keeps an idle connection', async () => {
    const { port } = await serve({ echo: (data) => data }, { keepAlive: QUICK_KEEP_ALIVE });
    const line = await dial(port, { keepAlive: QUICK_KEEP_ALIVE });
    await pause(700);
    expect(await line.ask('echo', 'still here')).toBe('still here');
  });
});

describe('keep-alive of a process that was itself asleep', () => {
  it('looks once more before it blames the peer: the answer may be waiting to be read', async () => {
    let naps = 0;
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      const { callId } = await peer.next(FrameType.REQUEST);
      peer.socket.on('data', () => {
        if (naps++ > 0) return;
        peer.send(frame(FrameType.PONG), frame(FrameType.REPLY, { flags: 1, callId, payload: '"awake"' }));
        const wakeUp = performance.now() + 400;
        while (performance.now() < wakeUp);
      });
    });
    const line = await dial(port, { keepAlive: NEVER_IDLE });
    expect(await line.ask('orders.place', undefined, 60_000)).toBe('awake');
    expect(naps).toBe(1);
  });
});

describe('keep-alive of a server that has stopped reading, since its replies are not taken', () => {
  it('does not blame the client for silence', async () => {
    const big = 'x'.repeat(1024 * 1024);
    const { acceptor, port } = await serve(
      { big: () => big },
      { keepAlive: QUICK_KEEP_ALIVE, limits: { maxSendBufferBytes: 64 * 1024 } },
    );
    const peer = await (await rawClient(port)).greet();
    peer.socket.pause();
    for (let callId = 1; callId <= 20; callId++) peer.send(request(callId, 'big'));
    await pause(700);
    expect(acceptor.connections.size).toBe(1);
    void answeringPings(peer);
    peer.socket.resume();
    for (let callId = 1; callId <= 20; callId++) expect((await peer.next(FrameType.REPLY)).callId).toBe(callId);
  });
});
