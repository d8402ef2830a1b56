import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { ConnectionPool } from '../../../lib/transport/connection-pool.js';
import { FrameType, NO_LAST_CALL, PREFACE } from '../../../lib/wire/frame.js';
import { frame, rawServer, serverHello, type RawPeer } from '../../wire/support/raw-peer.js';
import { dialer, errorOf, eventually, pause, serve, type ClientSetup } from './support.js';

let clock: FakeClock;
/** What the pool said of its endpoint, in order. */
let told: string[];

beforeEach(() => {
  clock = new FakeClock();
  told = [];
});

function poolTo(port: () => number, setup: ClientSetup = {}, maxConnections = 4): ConnectionPool {
  const pool = new ConnectionPool({
    dialer: dialer(setup),
    target: () => ({ ip: '127.0.0.1', port: port(), service: 'orders' }),
    maxConnections,
    clock,
    // Of full jitter the longest wait, so that it can be waited for.
    rng: () => 0.999_999,
    onReachable: (isReachable) => told.push(isReachable ? 'reachable' : 'unreachable'),
    onGoodbye: () => told.push('goodbye'),
  });
  onTestFinished(() => pool.destroy(new RookeryError('CLIENT_CLOSED', 'the test is over')));
  return pool;
}

const manifest = frame(FrameType.MANIFEST, { payload: '{"patterns":[]}' });
const goaway = frame(FrameType.GOAWAY, { callId: NO_LAST_CALL });

/** A port where nobody listens, and where somebody may later. */
async function deadPort(): Promise<number> {
  const { acceptor, port } = await serve({});
  await acceptor.close(0);
  return port;
}

describe('ConnectionPool', () => {
  it('dials with the first call, once for all who wait', async () => {
    const { acceptor, port } = await serve({});
    const pool = poolTo(() => port);
    expect(pool.ready()).toBeUndefined();
    const connections = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    expect(new Set(connections).size).toBe(1);
    expect(pool.ready()).toBe(connections[0]);
    expect([pool.size, acceptor.connections.size, told]).toEqual([1, 1, ['reachable']]);
  });

  it('fails all who waited for a dial that failed, and dials again by itself until somebody answers', async () => {
    let port = await deadPort();
    const pool = poolTo(() => port);
    const errors = await Promise.all([errorOf(pool.connect()), errorOf(pool.connect())]);
    expect(errors.map(({ reason, outcome }) => `${reason} ${outcome}`)).toEqual([
      'CONNECT_FAILED never-sent',
      'CONNECT_FAILED never-sent',
    ]);
    expect(told).toEqual(['unreachable']);

    port = (await serve({})).port;
    clock.advance(200);
    await eventually(() => told.length === 2);
    expect(told).toEqual(['unreachable', 'reachable']);
    expect(pool.ready()).toBeDefined();
  });

  it('waits longer after each failure, at most five seconds', async () => {
    const port = await deadPort();
    const pool = poolTo(() => port);
    await errorOf(pool.connect());
    const waits: number[] = [];
    for (let failure = 1; failure <= 8; failure++) {
      waits.push(Math.round(clock.nextDueMs! - clock.now()));
      clock.advance(waits.at(-1)! + 1);
      await eventually(() => told.length === failure + 1);
      await eventually(() => clock.pending === 1);
    }
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  });

  it('does not wait for its backoff where a call wants to know', async () => {
    let port = await deadPort();
    const pool = poolTo(() => port);
    await errorOf(pool.connect());
    port = (await serve({})).port;
    expect(await pool.connect()).toBe(pool.ready());
    expect(clock.pending).toBe(0);
  });

  it('dials again at once when a connection that stood breaks, so that no call has to find out', async () => {
    const { port, peers } = await rawServer((peer) => peer.welcome());
    const pool = poolTo(() => port);
    await pool.connect();
    clock.advance(5_000);
    peers[0]!.socket.destroy();
    await eventually(() => peers.length === 2 && pool.ready() !== undefined);
    expect(told).toEqual(['reachable', 'reachable']);
  });

  it('does not dial in a circle where connections break as soon as they stand', async () => {
    const { port, peers } = await rawServer(async (peer) => {
      await peer.welcome();
      peer.socket.end();
    });
    const pool = poolTo(() => port);
    await pool.connect();
    await eventually(() => peers.length >= 2);
    await pause(100);
    expect(peers.length).toBe(2);
    for (let round = 3; round <= 6; round++) {
      clock.advance(5_000);
      await eventually(() => peers.length === round);
      await eventually(() => clock.pending === 1);
    }
  });

  it('takes no connection into use that ended while it was greeted', async () => {
    const { port } = await rawServer((peer) => greetAndLeave(peer, Buffer.alloc(0)));
    const pool = poolTo(() => port);
    for (let call = 0; call < 6; call++)
      await pool.connect().catch((error: RookeryError) => expect(error.outcome).toBe('never-sent'));
    await eventually(() => pool.ready() === undefined);
    await eventually(() => pool.size === 0);
  });

  it('takes no connection into use whose server says in the same breath that it is going away', async () => {
    const { port } = await rawServer((peer) => greetAndLeave(peer, goaway));
    const pool = poolTo(() => port);
    for (let call = 0; call < 6; call++) {
      expect(await errorOf(pool.connect())).toMatchObject({ reason: 'PEER_DRAINING', outcome: 'never-sent' });
    }
    expect(pool.size).toBe(0);
    expect(told).not.toContain('reachable');
    expect(told).toContain('goodbye');
  });

  it('says that the instance said goodbye, uses the connection no more, and looks again later', async () => {
    const { port, peers } = await rawServer((peer) => peer.welcome());
    const pool = poolTo(() => port);
    await pool.connect();
    peers[0]!.send(goaway);
    await eventually(() => told.includes('goodbye'));
    expect(told).toEqual(['reachable', 'unreachable', 'goodbye']);
    expect([pool.size, pool.ready()]).toEqual([0, undefined]);
    await peers[0]!.closed;
    await eventually(() => clock.pending === 1);
    clock.advance(5_000);
    await eventually(() => told.at(-1) === 'reachable');
  });

  it('opens another connection only when those there are full, and no more than it may', async () => {
    const { acceptor, port } = await serve(
      { wait: () => new Promise(() => undefined) },
      { limits: { maxInFlightPerConnection: 1 } },
    );
    const pool = poolTo(() => port, {}, 2);
    const fill = async () => {
      const connection = await pool.connect();
      connection.send(waiting() as never, undefined, performance.now());
      return connection;
    };
    const [first, second] = [await fill(), await fill()];
    expect(first).not.toBe(second);
    expect(await errorOf(pool.connect())).toMatchObject({ reason: 'TOO_MANY_CALLS', outcome: 'never-sent' });
    expect(acceptor.connections.size).toBe(2);
  });

  it('prefers the connection with the fewest calls', async () => {
    const { port } = await serve(
      { wait: () => new Promise(() => undefined) },
      { limits: { maxInFlightPerConnection: 2 } },
    );
    const pool = poolTo(() => port);
    const first = await pool.connect();
    for (let call = 0; call < 2; call++) first.send(waiting() as never, undefined, performance.now());
    const second = await pool.connect();
    const held = waiting();
    second.send(held as never, undefined, performance.now());
    first.cancel(firstOf(first) as never);
    expect([first.inFlight, second.inFlight]).toEqual([1, 1]);
    second.cancel(held as never);
    expect(pool.ready()).toBe(second);
  });

  it('lets calls under way end when it is closed, and says when the last connection is gone', async () => {
    let finish: (value: unknown) => void = () => undefined;
    const { port } = await serve({ slow: () => new Promise((resolve) => (finish = resolve)) });
    const pool = poolTo(() => port);
    const connection = await pool.connect();
    const call = waiting('slow');
    connection.send(call as never, undefined, performance.now());
    await pause(20);
    let isEmpty = false;
    pool.close(() => (isEmpty = true));
    expect(await errorOf(pool.connect())).toMatchObject({ reason: 'CLIENT_CLOSED' });
    expect(isEmpty).toBe(false);
    finish('done');
    await eventually(() => isEmpty);
    expect(call.values).toEqual(['done']);
    expect(told).toEqual(['reachable']);
    expect(clock.pending).toBe(0);
  });

  it('is empty at once when it is closed before anybody called', () => {
    let isEmpty = false;
    poolTo(() => 1).close(() => (isEmpty = true));
    expect(isEmpty).toBe(true);
  });
});

async function greetAndLeave(peer: RawPeer, farewell: Buffer): Promise<void> {
  await peer.next(FrameType.HELLO);
  peer.socket.end(Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: serverHello() }), manifest, farewell]));
}

function waiting(pattern = 'wait') {
  const values: unknown[] = [];
  return {
    callId: 0,
    heldBytes: 0,
    owedBytes: 0,
    values,
    call: {
      kind: 'message',
      pattern,
      data: undefined,
      metadata: undefined,
      deadlineAtMs: performance.now() + 60_000,
      options: {},
      wasSent: false,
    },
    next: () => undefined,
    last: (value: unknown) => values.push(value),
    complete: () => undefined,
    fail: () => undefined,
  };
}

/** A call in flight on a connection. */
function firstOf(connection: unknown): unknown {
  const { calls } = connection as { calls: { get(id: number): unknown } };
  return calls.get(1);
}
