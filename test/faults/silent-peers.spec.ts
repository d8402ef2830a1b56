import { describe, expect, it } from 'vitest';

import { RookeryRecordBuilder, type RookeryError } from '../../lib/index.js';
import { ExpiringCalls } from './silent-load.js';
import { Load } from './load.js';
import { connectionsTo, silentStage, timeUntil } from './silent-stage.js';

// Nearly all of it is waiting, in real time, so everything waits at once: one file, few tests where many would wait.

/** Three seconds of silence and two for the answer; the rest is for a machine that is busy. */
const BUSY_MS = 6_500;
/** Twenty seconds of silence and five for the answer; the rest is for a machine that is busy. */
const IDLE_MS = 30_000;

describe.concurrent('an idle connection whose other end goes silent', { timeout: 60_000 }, () => {
  it('is given up by its client within 30 s, who is back when the server is', async (context) => {
    const stage = silentStage(context);
    const [stopped, server] = await Promise.all([stage.server(), stage.server()]);
    const hole = await stage.proxy(server);
    const halfOpen = await stage.proxy(server);
    const calls = [stopped, hole, halfOpen].map((route) => ({ route, client: stage.client([route]) }));
    for (const { client } of calls) expect(await client.call('orders.get', 1)).toBe(1);

    await stopped.stop();
    hole.proxy.set({ flow: 'black-hole' });
    halfOpen.proxy.vanish('target');
    const [ofStopped, ofHole] = calls.map(({ client }) => client);
    await Promise.all([
      timeUntil(() => connectionsTo(ofStopped!, stopped) === 0, IDLE_MS),
      timeUntil(() => connectionsTo(ofHole!, hole) === 0, IDLE_MS),
      // Here the next one stands as soon as this one is given up.
      timeUntil(() => halfOpen.proxy.counts.accepted === 2, IDLE_MS),
    ]);
    stopped.wake();
    hole.proxy.heal();
    for (const { route, client } of calls) {
      await timeUntil(() => connectionsTo(client, route) === 1, 10_000);
      expect(await client.call('orders.place', 2)).toBe(2);
    }
  });

  it('is given up by its server within 30 s, and nothing of it stays open', async (context) => {
    const stage = silentStage(context);
    const server = await stage.server();
    const before = server.sockets;
    const hole = await stage.proxy(server);
    const halfOpen = await stage.proxy(server);
    const stopped = await stage.clientProcess(server);
    for (const route of [hole, halfOpen]) expect(await stage.client([route]).call('orders.get', 1)).toBe(1);
    expect(server.sockets).toBe(before + 3);

    await stopped.stop();
    hole.proxy.set({ flow: 'black-hole' });
    // What its client opens anew does not reach the server.
    halfOpen.proxy.set({ flow: 'black-hole' }, { connections: 'new' });
    halfOpen.proxy.vanish('client');
    await timeUntil(() => server.sockets === before, IDLE_MS);
  });
});

describe.concurrent('an instance that goes silent with calls in flight', { timeout: 60_000 }, () => {
  const RATE = 100;
  const isIdempotent = (id: number) => id % 5 !== 0;

  it.for(['stopped', 'in a black hole', 'half-open'])(
    '(%s) is given up within five seconds: what may be repeated goes elsewhere, what may not is of unknown fate',
    async (how, context) => {
      const stage = silentStage(context);
      const [silent, other] = await Promise.all([stage.server(), stage.server()]);
      const route = await stage.proxy(silent);
      const client = stage.client([route, other]);
      const load = new Load(client, RATE, (id) => (isIdempotent(id) ? 'orders.get' : 'orders.place'), '10s').start();
      await timeUntil(() => connectionsTo(client, route) === 1 && load.records.length >= RATE, 10_000);

      const beforeSilence = load.records.length;
      if (how === 'stopped') await silent.stop();
      if (how === 'in a black hole') route.proxy.set({ flow: 'black-hole' });
      if (how === 'half-open') route.proxy.vanish('target');
      const { accepted } = route.proxy.counts;
      const isGivenUp = () => connectionsTo(client, route) === 0 || route.proxy.counts.accepted > accepted;
      expect(await timeUntil(isGivenUp, 2 * BUSY_MS)).toBeLessThan(BUSY_MS);
      const whenNoticed = load.records.length;
      await timeUntil(() => load.records.length >= whenNoticed + RATE, 10_000);
      await load.stop();

      expect(load.failures.filter(({ id }) => isIdempotent(id))).toEqual([]);
      for (const { id, error } of load.failures) {
        expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
        expect(error!.message).toContain('went silent');
        expect(id).toBeGreaterThanOrEqual(beforeSilence - 1);
        // Nobody calls there any more.
        expect(id).toBeLessThanOrEqual(whenNoticed);
      }
      const placed = [...silent.executions, ...other.executions].map(({ id }) => id);
      expect(new Set(placed).size, 'orders placed twice').toBe(placed.length);
    },
  );
});

describe.concurrent('replies that come late', { timeout: 60_000 }, () => {
  it.for(['stopped', 'frozen'])('are dropped, and no later call gets one (%s)', async (how, context) => {
    const stage = silentStage(context);
    const server = await stage.server();
    const route = await stage.proxy(server);
    const client = stage.client([route]);
    expect(await client.call('orders.get', -1)).toBe(-1);

    // Shorter than it takes to give the connection up: it is the same one before and after.
    if (how === 'stopped') await server.stop();
    else route.proxy.set({ flow: 'freeze' }, { direction: 'downstream' });
    const call = (id: number, timeout: string) => client.call<number>('orders.get', id, { timeout });
    const late = await Promise.allSettled(idsFrom(0).map((id) => call(id, '1s')));
    for (const outcome of late)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { reason: 'DEADLINE_EXPIRED', outcome: 'unknown' } });
    const waiting = idsFrom(100).map((id) => call(id, '10s'));
    if (how === 'stopped') server.wake();
    else route.proxy.heal();
    const after = idsFrom(200).map((id) => call(id, '10s'));
    expect(await Promise.all(waiting)).toEqual(idsFrom(100));
    expect(await Promise.all(after)).toEqual(idsFrom(200));
    expect(route.proxy.counts).toMatchObject({ accepted: 1, open: 1 });
  });

  const idsFrom = (first: number) => Array.from({ length: 50 }, (_, at) => first + at);
});

describe.concurrent('what expired while it waited', { timeout: 60_000 }, () => {
  const RATE = 200;
  const TIMEOUT_MS = 2_000;
  /** A call that the client gave up just before the server woke may not have been taken back yet. */
  const TOLERANCE_MS = 250;

  it.for([
    { where: 'process stopped', forMs: 8_000 },
    { where: 'process stopped', forMs: 4_000 },
    { where: 'network frozen', forMs: 8_000 },
  ])('($where, $forMs ms) is not executed', async ({ where, forMs }, context) => {
    const stage = silentStage(context);
    const server = await stage.server();
    const route = await stage.proxy(server);
    const client = stage.client([route]);
    expect(await client.call('orders.get', 1)).toBe(1);
    const calls = new ExpiringCalls(client, RATE, TIMEOUT_MS);
    await timeUntil(() => calls.deadlines.length > RATE / 2, 10_000);

    const isProcess = where === 'process stopped';
    if (isProcess) await server.stop();
    else route.proxy.set({ flow: 'freeze' });
    await new Promise((resolve) => setTimeout(resolve, forMs));
    const beforeWaking = server.executions.length;
    if (isProcess) server.wake();
    else route.proxy.heal();
    await timeUntil(() => server.executions.length > beforeWaking + RATE, 15_000);
    await calls.stop();

    const { executions } = server;
    const late = executions.filter(({ id, atMs }) => atMs > calls.deadlines[id]! + TOLERANCE_MS);
    const lateMs = late.map(({ id, atMs }) => Math.round(atMs - calls.deadlines[id]!));
    // Of a network's backlog the first few come alone, and look like the calls of a client that was idle.
    expect(lateMs.length, `executed late by at most ${Math.max(...lateMs)} ms`).toBeLessThanOrEqual(isProcess ? 0 : 4);
    const executed = new Set(executions.map(({ id }) => id));
    expect(executed.size, 'calls executed twice').toBe(executions.length);
    const neverSent = calls.failures.filter(({ error }) => error.outcome === 'never-sent');
    expect(neverSent.filter(({ id }) => executed.has(id))).toEqual([]);
    // After five seconds the connection is given up: what was under way is of unknown fate, and it says so.
    const lost = calls.failures.filter(({ error }) => error.reason === 'CONNECTION_LOST');
    expect(lost.length > 0).toBe(forMs > 5_000);
  });
});

describe.concurrent('a stream whose peer goes silent', { timeout: 60_000 }, () => {
  /** Of 8 KiB each. */
  const PAGES = 100_000;
  const WINDOW_PAGES = (256 * 1024) / (8 * 1024);

  it.for(['stopped', 'in a black hole'])(
    '(the server is %s) fails at its reader within five seconds',
    async (how, context) => {
      const stage = silentStage(context);
      const server = await stage.server();
      const route = await stage.proxy(server);
      const client = stage.client([route]);
      let received = 0;
      let error: RookeryError | undefined;
      const whole = new RookeryRecordBuilder(PAGES).setTimeout('60s').build();
      client.send<{ page: number }>('orders.pages', whole).subscribe({
        next: ({ page }) => {
          if (page !== received++) throw new Error(`page ${page} came as number ${received - 1}`);
        },
        error: (failure: RookeryError) => (error = failure),
      });
      await timeUntil(() => received > 100, 10_000);
      if (how === 'stopped') await server.stop();
      else route.proxy.set({ flow: 'black-hole' });
      expect(await timeUntil(() => error !== undefined, 2 * BUSY_MS)).toBeLessThan(BUSY_MS);
      expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
      const last = received;
      server.wake();
      route.proxy.heal();
      expect(await client.call('orders.get', 1)).toBe(1);
      expect(received).toBe(last);
    },
  );

  it('(the client is stopped) pauses its producer within the window, and costs the connection within 12 s', async (context) => {
    const stage = silentStage(context);
    const server = await stage.server();
    const observer = stage.client([server]);
    const produced = () => observer.call<number>('orders.produced');
    expect(await produced()).toBe(0);
    const sockets = server.sockets;
    const reader = await stage.clientProcess(server, PAGES);
    await reader.stop();
    const whenStopped = await produced();
    const goneAfterMs = await timeUntil(() => server.sockets === sockets, 2 * 12_000);
    expect(goneAfterMs).toBeLessThan(12_000);
    // A window was under way when it stopped, and its reader may have given room for as much again.
    expect((await produced()) - whenStopped).toBeLessThanOrEqual(2 * WINDOW_PAGES + 2);
  });
});
