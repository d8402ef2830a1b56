import { describe, expect, it } from 'vitest';

import type { RookeryError } from '../../../lib/core/errors.js';
import { Flag, FrameType, NO_LAST_CALL } from '../../../lib/wire/frame.js';
import { frame, rawServer, type RawPeer } from '../../wire/support/raw-peer.js';
import { wayToOrders } from './channel-support.js';
import { errorOf, eventually, pause, serve } from './support.js';

const identity = (n: number) => ({ service: 'orders', instance: `orders-${n}` });

/** A real instance that answers with its number. */
function instance(n: number, handlers: Parameters<typeof serve>[0] = {}) {
  return serve({ who: () => n, ...handlers }, { self: identity(n) });
}

/** An instance that treats its first calls as the test says, and answers the others with its number. */
function odd(n: number, treat: (callId: number, peer: RawPeer) => boolean | void) {
  return rawServer(async (peer) => {
    await peer.welcome([], identity(n));
    for (;;) {
      const { callId } = await peer.next(FrameType.REQUEST, 60_000);
      if (treat(callId, peer) !== true)
        peer.send(frame(FrameType.REPLY, { flags: Flag.END, callId, payload: String(n) }));
    }
  });
}

describe('a call on a channel', () => {
  it('that an instance refuses unexecuted is made elsewhere, idempotent or not', async () => {
    const busy = await odd(1, (callId, peer) => {
      peer.send(
        frame(FrameType.ERROR, {
          flags: Flag.REFUSED,
          callId,
          payload: '{"code":"RESOURCE_EXHAUSTED","reason":"SERVER_BUSY","message":"full"}',
        }),
      );
      return true;
    });
    const way = await wayToOrders();
    await way.announce(1, busy.port);
    await way.announce(2, (await instance(2)).port);
    for (let call = 0; call < 6; call++) expect(await way.ask('who')).toBe(2);
  });

  it('that is above the last id of a GOAWAY was refused: it is made elsewhere, idempotent or not', async () => {
    let taken = 0;
    const leaving = await odd(1, (callId, peer) => {
      taken++;
      peer.send(frame(FrameType.GOAWAY, { callId: callId - 1, payload: 'closed' }));
      peer.socket.end();
      return true;
    });
    const way = await wayToOrders();
    await way.announce(1, leaving.port);
    await way.announce(2, (await instance(2)).port);
    expect(await Promise.all([way.ask('who'), way.ask('who'), way.ask('who'), way.ask('who')])).toEqual([2, 2, 2, 2]);
    expect(taken).toBeGreaterThan(0);
  });

  describe.each([
    ['at or below the last id of a GOAWAY', (callId: number) => callId],
    ['of a connection that promised nothing', () => NO_LAST_CALL],
  ])('%s may have run', (_, last) => {
    async function withOneLost(isIdempotent: boolean) {
      let taken = 0;
      const leaving = await odd(1, (callId, peer) => {
        taken++;
        peer.send(frame(FrameType.GOAWAY, { callId: last(callId), payload: 'closed' }));
        peer.socket.end();
        return true;
      });
      const way = await wayToOrders();
      await way.announce(1, leaving.port);
      await way.announce(2, (await instance(2)).port);
      const outcomes: unknown[] = [];
      for (let call = 0; call < 4; call++) {
        outcomes.push(
          await way.ask('who', undefined, { idempotent: isIdempotent }).catch(({ outcome }: RookeryError) => outcome),
        );
      }
      expect(taken).toBe(1);
      return outcomes.map(String).toSorted();
    }

    it('and is made again where it is idempotent', async () => {
      expect(await withOneLost(true)).toEqual(['2', '2', '2', '2']);
    });

    it('and is not where it is not', async () => {
      expect(await withOneLost(false)).toEqual(['2', '2', '2', 'unknown']);
    });
  });

  it('keeps its correlation id over its attempts', async () => {
    const ids: (string | undefined)[] = [];
    const refusing = await rawServer(async (peer) => {
      await peer.welcome([], identity(1));
      const { callId } = await peer.next(FrameType.REQUEST);
      peer.send(frame(FrameType.ERROR, { flags: Flag.REFUSED, callId, payload: '{"reason":"SERVER_BUSY"}' }));
      const hello = peer.socket;
      hello.end();
    });
    const way = await wayToOrders();
    await way.announce(1, refusing.port);
    const { port } = await serve({ id: (_data, call) => void ids.push(call.correlationId) }, { self: identity(2) });
    await way.announce(2, port);
    await way.ask('id');
    await way.ask('id');
    expect(ids).toHaveLength(2);
    expect(ids.every((id) => /^[\w-]{12}-[0-9a-z]+$/.test(id!))).toBe(true);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('that the handler failed is not made again', async () => {
    let runs = 0;
    const failing = () => {
      runs++;
      throw new Error('no');
    };
    const way = await wayToOrders();
    await way.announce(1, (await instance(1, { failing })).port);
    await way.announce(2, (await instance(2, { failing })).port);
    expect(await errorOf(way.ask('failing', undefined, { idempotent: true }))).toMatchObject({ outcome: 'handled' });
    expect(runs).toBe(1);
  });

  it('to a service that is nowhere fails at once, and says so', async () => {
    const way = await wayToOrders();
    expect(await errorOf(way.ask('who'))).toMatchObject({
      reason: 'NO_INSTANCE',
      outcome: 'never-sent',
      service: 'orders',
    });
  });

  it('to an instance of another name at the address was never sent', async () => {
    const stranger = await instance(7);
    const way = await wayToOrders({ retry: false });
    await way.announce(1, stranger.port);
    expect(await errorOf(way.ask('who'))).toMatchObject({ reason: 'WRONG_INSTANCE', outcome: 'never-sent' });
  });

  it('fails with its channel, and cannot be made on a closed one', async () => {
    const way = await wayToOrders();
    await way.announce(1, (await instance(1, { wait: () => new Promise(() => undefined) })).port);
    const waiting = errorOf(way.ask('wait'));
    await pause(30);
    way.channel.close();
    expect((await waiting).reason).toBe('CONNECTION_LOST');
    expect(await errorOf(way.ask('who'))).toMatchObject({ reason: 'CLIENT_CLOSED', outcome: 'never-sent' });
  });
});

describe('a burst of calls on a cold channel', () => {
  it('opens as many connections as it needs, and fails none that fits', async () => {
    const { acceptor, port } = await serve(
      { slow: (data) => pause(30).then(() => data) },
      { self: identity(1), limits: { maxInFlightPerConnection: 10 } },
    );
    const way = await wayToOrders();
    await way.announce(1, port);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => way.ask('slow', index)));
    expect(answers).toEqual(Array.from({ length: 40 }, (_, index) => index));
    expect(acceptor.connections.size).toBe(4);
  });

  it('fails those that do not, and says that it is this client’s own limit', async () => {
    const { port } = await serve(
      { slow: (data) => pause(30).then(() => data) },
      { self: identity(1), limits: { maxInFlightPerConnection: 2 } },
    );
    const way = await wayToOrders({ maxConnectionsPerEndpoint: 2 });
    await way.announce(1, port);
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, () => way.ask('slow', 1).catch((error: { reason: string }) => error.reason)),
    );
    expect(outcomes.filter((outcome) => outcome === 1)).toHaveLength(4);
    expect(outcomes.filter((outcome) => outcome === 'TOO_MANY_CALLS')).toHaveLength(2);
  });
});

describe('an instance that goes away in good order', () => {
  it('loses no call, while clients move to the others', async () => {
    const [one, two] = [await instance(1), await instance(2)];
    const way = await wayToOrders();
    const gone = await way.announce(1, one.port);
    await way.announce(2, two.port);
    const answers: unknown[] = [];
    const test = { isOver: false };
    const caller = async () => {
      while (!test.isOver) answers.push(await way.ask('who'));
    };
    const callers = Promise.all(Array.from({ length: 8 }, caller));
    await pause(50);
    await way.registry.deregister(gone);
    one.acceptor.announceDrain();
    await one.acceptor.emptied(1_000);
    await one.acceptor.close(1_000);
    await pause(50);
    test.isOver = true;
    await callers;
    expect(answers).toContain(1);
    expect(answers.at(-1)).toBe(2);
  });

  it('is not taken for reachable by a client that greets it on its way out', async () => {
    const [one, two] = [await instance(1), await instance(2)];
    const way = await wayToOrders();
    await way.announce(1, one.port);
    await way.announce(2, two.port);
    one.acceptor.announceDrain();
    const answers = await Promise.all(Array.from({ length: 20 }, () => way.ask('who')));
    expect(new Set(answers)).toEqual(new Set([2]));
    expect(way.channel.endpoints.map(({ instanceId }) => instanceId)).toEqual(['orders-2']);
  });
});

describe('an instance that the registry has lost', () => {
  it('stays in use while it answers, where the list shrank to nothing', async () => {
    const way = await wayToOrders();
    const record = await way.announce(1, (await instance(1)).port);
    expect(await way.ask('who')).toBe(1);
    await way.registry.deregister(record);
    await pause(300);
    expect(await way.ask('who')).toBe(1);
  });

  it('is let go once it no longer answers', async () => {
    const way = await wayToOrders();
    const one = await instance(1);
    const record = await way.announce(1, one.port);
    expect(await way.ask('who')).toBe(1);
    await way.registry.deregister(record);
    await one.acceptor.close(0);
    await eventually(() => way.channel.endpoints.length === 0);
  });
});
