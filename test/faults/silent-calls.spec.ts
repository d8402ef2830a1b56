import type { Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { KEEP_ALIVE_TIMES } from '../../lib/transport/keep-alive.js';
import { FrameType } from '../../lib/wire/frame.js';
import { dial, errorOf, eventually, pause, QUICK_KEEP_ALIVE, serve } from '../unit/transport/support.js';
import { callHead, frame, rawClient, rawServer, request } from '../wire/support/raw-peer.js';

const cancel = (callId: number) => frame(FrameType.CANCEL, { callId, code: 1 });
const event = (pattern: string) => frame(FrameType.EVENT, { flags: 0x08, payload: callHead(pattern, undefined, 100) });

/** A server that counts what it executes, and a client of it that has been silent for longer than its calls have left. */
async function afterSilence(ms = 300) {
  const executed: unknown[] = [];
  const { port } = await serve({
    note: (data) => void executed.push(data),
    told: { kind: 'event', handle: () => void executed.push('event') },
  });
  const peer = await (await rawClient(port)).greet();
  await pause(ms);
  return { peer, executed };
}

describe('a call that may have expired on its way', () => {
  it('is not executed when its caller took it back right behind it', async () => {
    const { peer, executed } = await afterSilence();
    const calls = [1, 2, 3].map((callId) => request(callId, 'note', callId, 100));
    peer.send(...calls, cancel(1), cancel(3));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(2);
    expect(executed).toEqual([2]);
    // Their slots and ids are free again.
    peer.send(request(4, 'note', 4));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(4);
  });

  it('is not executed when the connection ended right behind it', async () => {
    const { peer, executed } = await afterSilence();
    peer.send(request(1, 'note', 1, 100));
    peer.socket.end();
    await peer.closed;
    await pause(50);
    expect(executed).toEqual([]);
  });

  it('is executed when nobody took it back, and so is one that has time left', async () => {
    const { peer, executed } = await afterSilence();
    peer.send(request(1, 'note', 1, 100), request(2, 'note', 2, 10_000));
    // The one with time left did not wait.
    expect((await peer.next(FrameType.REPLY)).callId).toBe(2);
    expect((await peer.next(FrameType.REPLY)).callId).toBe(1);
    expect(executed).toEqual([2, 1]);
  });

  it('waits, as one of many, until the answer to a PING tells that all of its caller has been read', async () => {
    const { peer, executed } = await afterSilence();
    peer.send(...[1, 2, 3, 4, 5, 6].map((callId) => request(callId, 'note', callId, 100)));
    const { callId: token } = await peer.next(FrameType.PING);
    expect(executed).toEqual([]);
    peer.send(request(7, 'note', 7, 100), ...[1, 2, 3, 4, 5, 7].map(cancel), frame(FrameType.PONG, { callId: token }));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(6);
    expect(executed).toEqual([6]);
    // The silence is over.
    peer.send(request(8, 'note', 8, 100), cancel(8));
    await peer.settled();
    expect(executed).toEqual([6, 8]);
  });

  it('does not wait for ever for that answer, and never longer than it has time', async () => {
    const { peer, executed } = await afterSilence(1_300);
    const call = (callId: number) => request(callId, 'note', callId, callId <= 3 ? 100 : 1_250);
    peer.send(...[1, 2, 3, 4, 5, 6].map(call));
    await peer.next(FrameType.PING);
    await eventually(() => executed.length > 0);
    expect(executed).toEqual([4, 5, 6]);
  });

  it('is not executed when its connection is gone before that answer', async () => {
    const { peer, executed } = await afterSilence();
    peer.send(...[1, 2, 3, 4, 5, 6].map((callId) => request(callId, 'note', callId, 100)));
    await peer.next(FrameType.PING);
    peer.socket.resetAndDestroy();
    await pause(100);
    expect(executed).toEqual([]);
  });

  it('is executed at once where no answer is wanted: its sender may have left by then', async () => {
    const { peer, executed } = await afterSilence();
    peer.send(event('told'));
    peer.socket.end();
    await eventually(() => executed.length === 1);
  });
});

describe('a client', () => {
  it('notices a silent server also when each of its calls gives up sooner', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
    });
    const line = await dial(port, { keepAlive: { ...KEEP_ALIVE_TIMES, busyAfterMs: 300, busyTimeoutMs: 200 } });
    const asking = setInterval(() => void errorOf(line.ask('orders.get', undefined, 20)), 40);
    onTestFinished(() => clearInterval(asking));
    const startedAt = performance.now();
    expect(await line.closed).toMatchObject({ reason: 'CONNECTION_LOST' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('resets the connection to a server it gives up, so that nothing of it arrives later or stays open', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = sockets();
    const accepted: Socket[] = [];
    const errors: NodeJS.ErrnoException[] = [];
    const { port } = await rawServer(async (peer) => {
      accepted.push(peer.socket);
      peer.socket.on('error', (error) => errors.push(error));
      await peer.welcome();
    });
    const line = await dial(port, { keepAlive: QUICK_KEEP_ALIVE });
    await errorOf(line.ask('orders.get', undefined, 60_000));
    await eventually(() => accepted[0]!.destroyed);
    expect(errors).toMatchObject([{ code: 'ECONNRESET' }]);
    await eventually(() => sockets() <= before);
  });
});
