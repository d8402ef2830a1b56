import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FrameType, PREFACE } from '../../lib/wire/frame.js';
import { eventually } from '../microservice/colony.js';
import { golden } from '../wire/support/golden-file.js';
import { rawClient, rawServer } from '../wire/support/raw-peer.js';
import { PeerProcess, type CallEnd } from './peer-process.js';
import { install, PRESENT, previousVersions, releasedVersions, type Installed } from './previous-versions.js';

const SECRETS = ['correct horse battery staple'];

interface Served {
  port: number;
  instanceId: string;
}

/** As peer.mjs describes what arrived. */
const described = (value: unknown) =>
  inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, breakLength: Infinity });

const TABLE = Array.from({ length: 40 }, (_, id) => ({ id, sku: `Ä-${id}`, price: id / 4, gift: id % 7 === 0 }));
const RAGGED = TABLE.map((row, index) => (index % 3 === 0 ? { ...row, note: 'é'.repeat(300), lines: TABLE } : row));

/** What either codec delivers as it was. */
const PLAIN: [string, unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['booleans', [true, false]],
  ['whole numbers', [0, 1, -1, 127, 128, -33, 65_535, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1)]],
  ['broken numbers', [0.1, -1.5e300, 5e-324]],
  ['text', ['', 'plain', 'a\0b\n', 'é漢字🐦', 'x'.repeat(70_000)]],
  ['nothing in it', { list: [], object: {}, text: '' }],
  ['what is nested', { a: [{ b: [{ c: [{ d: 'deep' }] }] }] }],
  ['odd keys', { '': 1, 'é key': 2, toString: 3, 7: 4 }],
  ['a table', TABLE],
  ['a ragged table of tables', RAGGED],
  ['bytes alone', Buffer.from([0, 255, 1])],
  ['no bytes alone', Buffer.alloc(0)],
];

/** What only MessagePack does. */
const RICH: [string, unknown][] = [
  ['special numbers', [-0, NaN, Infinity, -Infinity]],
  ['bigints', [0n, -1n, 2n ** 64n - 1n, -(2n ** 63n)]],
  ['dates', [new Date(0), new Date('2026-02-28T12:34:56.789Z'), new Date(-1), new Date('9999-12-31T23:59:59.999Z')]],
  ['bytes within', { file: Buffer.from([1, 2, 3]), none: Buffer.alloc(0) }],
  ['a table of all that', TABLE.map(({ id }) => ({ id, big: BigInt(id), at: new Date(id), raw: Buffer.from([id]) }))],
];

/** One that nobody listens on for now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const CODECS: [codec: string, values: [string, unknown][]][] = [
  ['msgpack', [...PLAIN, ...RICH]],
  ['json', PLAIN],
];

it('every version that was released lies here, packed', () => {
  expect(previousVersions()).toEqual(expect.arrayContaining(['0.1.0', ...releasedVersions()]));
});

describe.each(previousVersions())('version %s and this one', { timeout: 20_000 }, (version) => {
  let installed: Installed;
  let previous: PeerProcess;
  let present: PeerProcess;
  beforeAll(async () => {
    installed = install(version);
    [previous, present] = await Promise.all([PeerProcess.start(installed.script), PeerProcess.start(PRESENT.script)]);
  }, 30_000);
  afterAll(async () => {
    await Promise.all([previous, present].map((peer) => peer?.end()));
    installed.remove();
  });

  describe.each([
    ['the previous serves and this one calls', () => [previous, present] as const],
    ['this one serves and the previous calls', () => [present, previous] as const],
  ])('where %s', (_, ends) => {
    describe.each([
      ['without a secret', undefined],
      ['with a secret', SECRETS],
    ])('%s', (name, secrets) => {
      let server: PeerProcess;
      let client: PeerProcess;
      let port: number;
      beforeAll(async () => {
        [server, client] = ends();
        ({ port } = await server.ask<Served>('serve', { name, secrets }));
      });
      afterAll(async () => {
        await server.ask('close', { name });
      });

      describe.each(CODECS)('as %s', (codec, values) => {
        beforeAll(() => client.ask('client', { name: codec, codec, secrets, ports: [port] }));
        afterAll(() => client.ask('close', { name: codec }));
        const call = (pattern: string, data?: unknown, more: object = {}) =>
          client.ask<CallEnd>('call', { name: codec, pattern, data, ...more });

        it.each(values)('carry there and back: %s', async (_, value) => {
          expect((await call('orders.describe', value)).value).toBe(described(value));
          expect(described((await call('orders.echo', value)).value)).toBe(described(value));
        });

        it('carry tables of a size that is worth rows', async () => {
          const { value } = await call('orders.table', 500);
          expect(value).toHaveLength(500);
          expect((value as object[])[499]).toEqual({ id: 499, sku: 'A-499', price: 124.75, tags: [] });
        });

        it('stream more than a window, to the end', async () => {
          const data = { count: 400, chars: 4_000 };
          const stream = { name: codec, pattern: 'orders.lines', data };
          const last = { line: 399, text: '9'.repeat(4_000) };
          expect(await client.ask('stream', stream)).toEqual({ count: 400, inOrder: true, last });
          expect((await server.seen()).at(-1)).toBe('lines ended after all');
        });

        it('stop a stream whose reader has read enough, before all of it was made', async () => {
          const data = { count: 4_000, chars: 4_000 };
          const read = await client.ask('stream', { name: codec, pattern: 'orders.lines', data, take: 3 });
          expect(read).toMatchObject({ count: 3, inOrder: true });
          await eventually(async () => (await server.seen()).at(-1) === 'lines ended after some');
        });

        it('tell an event, and when it was handled', async () => {
          const order = { id: 7, note: `${name}, as ${codec}`, lines: TABLE };
          const told = { name: codec, pattern: 'order.placed', data: order };
          expect(await client.ask('emit', { ...told, options: { ack: true } })).toEqual({ value: undefined });
          expect((await server.seen()).at(-1)).toBe(`placed ${described(order)}`);
          expect(await client.ask('emit', { ...told, data: 'unacknowledged' })).toEqual({ value: undefined });
          await eventually(async () => (await server.seen()).at(-1) === `placed 'unacknowledged'`);
          const spoilt = { ...told, pattern: 'order.spoilt', options: { ack: true } };
          expect((await client.ask<CallEnd>('emit', spoilt)).error).toMatchObject({ code: 'DATA_LOSS' });
        });

        it('fail with code, message and data, and say whether the call ran', async () => {
          expect((await call('orders.fail', { sku: 'A-1' })).error).toEqual({
            reason: 'HANDLER_THREW',
            code: 'FAILED_PRECONDITION',
            outcome: 'handled',
            message: 'A-1 is sold out',
            data: { code: 'FAILED_PRECONDITION', message: 'A-1 is sold out', left: 0, sku: 'A-1' },
          });
          expect((await call('orders.unheard-of')).error).toMatchObject({ reason: 'NO_HANDLER', outcome: 'refused' });
        });

        it('carry metadata and the time that is left', async () => {
          const metadata = { 'x-correlation-id': 'c-1', tenant: 'é漢字', empty: '' };
          const { value } = await call('orders.context', 0, { options: { metadata, timeout: '10s' } });
          expect(value).toMatchObject({ service: '', pattern: 'orders.context', metadata });
          const { remainingMs } = value as { remainingMs: number };
          expect(remainingMs).toBeGreaterThan(5_000);
          expect(remainingMs).toBeLessThanOrEqual(10_000);
        });

        it('cancel what nobody waits for any more', async () => {
          const waiter = `${codec} ${name} cancelled`;
          const end = call('orders.wait', waiter, { abortKey: waiter });
          await eventually(async () => (await server.seen()).includes(`${waiter} waits`));
          await client.ask('abort', { abortKey: waiter });
          expect((await end).error).toMatchObject({ reason: 'CALLER_ABORTED' });
          await eventually(async () => (await server.seen()).includes(`${waiter} ended: CALLER_ABORTED`));
        });

        it('give up together when the time is over', async () => {
          const waiter = `${codec} ${name} expired`;
          const { error } = await call('orders.wait', waiter, { options: { timeout: '150ms' } });
          expect(error).toMatchObject({ reason: 'DEADLINE_EXPIRED', code: 'DEADLINE_EXCEEDED' });
          await eventually(async () => (await server.seen()).includes(`${waiter} ended: DEADLINE_EXPIRED`));
        });
      });

      it('move calls away from an instance that drains, and lose none', async () => {
        const [leaving, staying] = await Promise.all(
          ['leaving', 'staying'].map((name) => server.ask<Served>('serve', { name, secrets })),
        );
        await client.ask('client', { name: 'drain', secrets, ports: [leaving!.port, staying!.port] });
        const call = (pattern: string, data: unknown) =>
          client.ask<CallEnd>('call', { name: 'drain', pattern, data, options: { timeout: '10s' } });
        const waiters = Array.from({ length: 8 }, (_, index) => `${name} waiter ${index}`);
        const waits = waiters.map((waiter) => call('orders.wait', waiter));
        await eventually(async () => {
          const seen = await server.seen();
          return waiters.every((waiter) => seen.includes(`${waiter} waits`));
        });

        const leave = { isOver: false };
        const closed = server.ask('close', { name: 'leaving' }).then(() => (leave.isOver = true));
        const echoes: CallEnd[] = [];
        for (let round = 0; !leave.isOver; round++) {
          if (round === 40) for (const waiter of waiters) await server.ask('release', { waiter });
          echoes.push(await call('orders.echo', round));
        }
        await closed;
        expect(await Promise.all(waits)).toEqual(waiters.map((value) => ({ value })));
        expect(echoes).toEqual(echoes.map((_, value) => ({ value })));
        expect(await call('orders.echo', 'after')).toEqual({ value: 'after' });
        await client.ask('close', { name: 'drain' });
        await server.ask('close', { name: 'staying' });
      });

      it('find each other in a registry that one of them hosts', async () => {
        const registry = await server.ask<string>('registry', { name: 'registry', secrets });
        const served = await Promise.all(
          [server, client].map((peer) => peer.ask<Served>('serve', { name: 'registered', secrets, registry })),
        );
        await client.ask('client', { name: 'finder', secrets, registry });
        await client.ask('watch', { name: 'finder' });
        const found = await client.ask<Served[]>('instances', { name: 'finder' });
        const instances = served.map(({ instanceId, port }) => ({ instanceId, port }));
        expect(found).toMatchObject(instances.toSorted((a, b) => a.port - b.port));
        await eventually(async () => (await client.seen()).at(-1) === 'watch: found 2');
        const answer = client.ask('call', { name: 'finder', pattern: 'orders.echo', data: TABLE });
        expect(await answer).toEqual({ value: TABLE });
        await server.ask('close', { name: 'registered' });
        await eventually(async () => (await client.seen()).at(-1) === 'watch: found 1');
        await client.ask('close', { name: 'registered' });
        await eventually(async () => (await client.seen()).at(-1) === 'watch: absent 0');
        await client.ask('close', { name: 'finder' });
        await server.ask('close', { name: 'registry' });
      });
    });

    it('take the registry over from each other, where one of them hosts it beside its service', async () => {
      const [host, guest] = ends();
      const registryPort = await freePort();
      await host.ask('serve', { name: 'host', registryPort });
      const { instanceId } = await guest.ask<Served>('serve', { name: 'guest', registryPort });
      await guest.ask('client', { name: 'finder', registryPort });
      expect(await guest.ask('instances', { name: 'finder' })).toHaveLength(2);

      await host.ask('close', { name: 'host' });
      await host.ask('client', { name: 'back', registryPort });
      const isThere = async () => {
        const found = await host.ask<Served[]>('instances', { name: 'back' });
        return found.length === 1 && found[0]!.instanceId === instanceId;
      };
      await eventually(() => isThere().catch(() => false), 10_000);
      const answer = await host.ask('call', { name: 'back', pattern: 'orders.echo', data: 'again' });
      expect(answer).toEqual({ value: 'again' });
      for (const name of ['finder', 'guest']) await guest.ask('close', { name });
      await host.ask('close', { name: 'back' });
    });

    it('refuse each other where only one has a secret, before anything is sent', async () => {
      const [server, client] = ends();
      for (const [name, secrets, others] of [
        ['guarded', SECRETS, undefined],
        ['open', undefined, SECRETS],
      ] as const) {
        const { port } = await server.ask<Served>('serve', { name, secrets });
        await client.ask('client', { name, secrets: others, ports: [port] });
        const { error } = await client.ask<CallEnd>('call', { name, pattern: 'orders.echo', data: 1 });
        expect(error).toMatchObject({ reason: 'AUTHENTICATION_FAILED', outcome: 'never-sent' });
        await client.ask('close', { name });
        await server.ask('close', { name });
      }
    });
  });

  describe('the previous one, told what came after it', () => {
    it('serves a client that names extensions, and skips their frames', async () => {
      const { port } = await previous.ask<Served>('serve', { name: 'later' });
      const peer = await rawClient(port);
      peer.send(PREFACE, golden('extended/client/hello'));
      const hello = JSON.parse((await peer.next(FrameType.HELLO)).payload.toString()) as object;
      expect(hello).toMatchObject({ version: 1, codec: 'msgpack' });
      await peer.next(FrameType.MANIFEST);
      peer.send(golden('extended/frame-skipped'), golden('extended/client/cancel-unknown-code'));
      await peer.settled();
      await previous.ask('close', { name: 'later' });
    });

    it.each(['extended/server/goaway-flood', 'extended/server/goaway-unknown-code'])(
      'lets its calls end after %s, and calls there no more',
      async (goaway) => {
        const { port, peers } = await rawServer(async (peer) => {
          peer.send(PREFACE, golden('extended/server/hello'), golden('extended/server/manifest'));
          await peer.next(FrameType.REQUEST);
          peer.send(golden(goaway), golden('extended/frame-skipped'), golden('server/reply'));
        });
        await previous.ask('client', { name: goaway, ports: [port] });
        const ask = { name: goaway, pattern: 'orders.place', data: 1 };
        expect(await previous.ask('call', ask)).toEqual({ value: { id: 7, sku: 'A-1', gift: false } });
        await peers[0]!.closed;
        await previous.ask('close', { name: goaway });
      },
    );
  });
});
