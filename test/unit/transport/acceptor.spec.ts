import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { FrameType, GoawayCode, PREFACE } from '../../../lib/wire/frame.js';
import { clientHello, frame, rawClient, request } from '../../wire/support/raw-peer.js';
import { dial, errorOf, eventually, pause, serve } from './support.js';

const ECHO = { echo: (data: unknown) => data };

/** A socket that says nothing by itself. */
async function silent(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

const isCut = (socket: Socket) => socket.closed || socket.readableEnded;

describe('Acceptor', () => {
  it('takes so many connections that have not said who they are; the oldest makes place for the newest', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { maxUnauthenticated: 4 } });
    const [oldest, other] = [await silent(port), await silent(port)];
    await eventually(() => acceptor.connections.size === 2);
    // Half of the places are all that one address gets.
    const third = await silent(port);
    await eventually(() => isCut(oldest));
    expect([isCut(other), isCut(third)]).toEqual([false, false]);
    const elsewhere = [await silent(port, '127.0.0.2'), await silent(port, '127.0.0.2')];
    await eventually(() => acceptor.connections.size === 4);
    expect(await (await dial(port)).ask('echo', 1)).toBe(1);
    await eventually(() => isCut(other));
    expect([third, ...elsewhere].map(isCut)).toEqual([false, false, false]);
    expect(acceptor.refusals).toEqual({ TOO_MANY_CONNECTIONS: 2 });
  });

  it('takes so many connections from one address, and those of others all the same', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { maxConnectionsPerAddress: 2 } });
    await Promise.all([dial(port), dial(port)]);
    expect(await errorOf(dial(port))).toMatchObject({ reason: 'HANDSHAKE_FAILED', outcome: 'never-sent' });
    expect(acceptor.refusals).toEqual({ TOO_MANY_CONNECTIONS: 1 });
    const elsewhere = await silent(port, '127.0.0.2');
    await eventually(() => acceptor.connections.size === 3);
    expect(isCut(elsewhere)).toBe(false);
  });

  it('does not count those who have said it', async () => {
    const { port } = await serve(ECHO, { limits: { maxUnauthenticated: 1 } });
    const lines = [await dial(port), await dial(port), await dial(port)];
    expect(await Promise.all(lines.map((line, index) => line.ask('echo', index)))).toEqual([0, 1, 2]);
  });

  it('does not lose a place to a client that comes and goes, however far it got', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { maxUnauthenticated: 6 } });
    const openings = [
      Buffer.alloc(0),
      PREFACE,
      Buffer.from('GET /'),
      Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: clientHello() })]),
    ];
    for (let round = 0; round < 12; round++) {
      const socket = await silent(port);
      socket.end(openings[round % openings.length]!);
      await eventually(() => acceptor.connections.size === 0);
    }
    const together = await Promise.all([dial(port), dial(port), dial(port)]);
    expect(await together[2].ask('echo', 'in')).toBe('in');
  });

  it('takes so many connections in all', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { maxConnections: 2 } });
    const [first] = [await dial(port), await dial(port)];
    expect((await errorOf(dial(port))).outcome).toBe('never-sent');
    first.connection.close();
    await eventually(() => acceptor.connections.size === 1);
    expect(await (await dial(port)).ask('echo', 1)).toBe(1);
  });

  it('gives a client a fixed time for its hello, which bytes do not prolong', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { helloTimeoutMs: 150 } });
    const started = performance.now();
    const peer = await rawClient(port);
    const bytes = Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: clientHello() })]);
    let at = 0;
    const drip = setInterval(() => peer.socket.write(bytes.subarray(at, ++at)), 10);
    onTestFinished(() => clearInterval(drip));
    expect(await peer.next(FrameType.GOAWAY)).toMatchObject({ code: GoawayCode.PROTOCOL_ERROR });
    expect(performance.now() - started).toBeGreaterThanOrEqual(140);
    expect(performance.now() - started).toBeLessThan(1_000);
    clearInterval(drip);
    await eventually(() => acceptor.connections.size === 0);
  });

  it('leaves a client alone once it has said its hello', async () => {
    const { acceptor, port } = await serve(ECHO, { limits: { helloTimeoutMs: 50 } });
    const peer = await (await rawClient(port)).greet();
    await pause(120);
    expect(acceptor.connections.size).toBe(1);
    peer.send(request(1, 'echo', 'late'));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('"late"');
  });

  it('says who connected and who is gone', async () => {
    const told: string[] = [];
    const { port } = await serve(ECHO, {
      onConnection: ({ peer }) => told.push(`+${peer.service}/${peer.instance}`),
      onConnectionClosed: ({ peer }, error) => told.push(`-${peer.service} ${error?.message ?? ''}`),
    });
    const line = await dial(port);
    await line.ask('echo', 1);
    line.connection.close();
    await eventually(() => told.length === 2);
    expect(told).toEqual(['+checkout/checkout-1', '-checkout ']);
  });

  it('names the address it cannot have', async () => {
    const { acceptor, port } = await serve(ECHO);
    const error = await errorOf(acceptor.listen('127.0.0.1', port));
    expect(error).toMatchObject({ reason: 'ADDRESS_IN_USE' });
    expect(error.message).toContain(`127.0.0.1:${port}`);
  });

  it('closes when nothing runs without waiting for its grace', async () => {
    const { acceptor, port } = await serve(ECHO);
    const line = await dial(port);
    await line.ask('echo', 1);
    const started = performance.now();
    await acceptor.close(10_000);
    expect(performance.now() - started).toBeLessThan(1_000);
    await line.closed;
    expect(acceptor.connections.size).toBe(0);
  });

  it('waits for running handlers, refuses further calls meanwhile, and then closes', async () => {
    let finish: (value: unknown) => void = () => undefined;
    const { acceptor, port } = await serve({ ...ECHO, slow: () => new Promise((resolve) => (finish = resolve)) });
    const line = await dial(port);
    const slow = line.ask('slow');
    await eventually(() => acceptor.inFlight === 1);
    const closed = acceptor.close(5_000);
    expect(await errorOf(line.ask('echo', 1))).toMatchObject({ reason: 'PEER_DRAINING', outcome: 'refused' });
    finish('done');
    expect(await slow).toBe('done');
    await closed;
    await line.closed;
  });

  it('cuts off handlers that do not end within the grace; their callers do not know their fate', async () => {
    const { acceptor, port } = await serve({ forever: () => new Promise(() => undefined) });
    const line = await dial(port);
    const call = errorOf(line.ask('forever'));
    await eventually(() => acceptor.inFlight === 1);
    await acceptor.close(50);
    expect(await call).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
  });
});
