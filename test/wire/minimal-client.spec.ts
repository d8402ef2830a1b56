import { onTestFinished, describe, expect, it } from 'vitest';

import { RemoteError } from '../../lib/core/errors.js';
import { standardCodecs } from '../../lib/wire/standard-codecs.js';
import { eventually, serve, type HandlerSetup, type ServerSetup } from '../unit/transport/support.js';
import { MinimalClient } from './support/minimal-client.js';

const release: (() => void)[] = [];

const HANDLERS: HandlerSetup = {
  'orders.place': { idempotent: true, handle: (data) => data },
  'orders.file': () => Buffer.from([0xca, 0xfe]),
  'orders.nothing': () => undefined,
  'orders.fail': () => {
    throw new RemoteError('sold out', { sku: 'A-1' }, { code: 'FAILED_PRECONDITION' });
  },
  'orders.lines': () => lines(),
  'orders.wait': () => new Promise<string>((resolve) => release.push(() => resolve('done'))),
};

async function* lines() {
  for (let line = 0; line < 500; line++) yield { line, text: 'x'.repeat(1_000) };
}

async function client(setup: ServerSetup = {}, service = 'orders') {
  const { acceptor, port } = await serve(HANDLERS, { codecs: standardCodecs(), ...setup });
  const peer = new MinimalClient(port, service);
  onTestFinished(() => peer.end());
  return { acceptor, peer };
}

/** What PROTOCOL.md calls the least a client must do is enough for a real server. */
describe('a client written from PROTOCOL.md alone', () => {
  it('shakes hands, and is told what there is to call', async () => {
    const { peer } = await client();
    const { hello, manifest } = await peer.ready;
    expect(hello).toMatchObject({ service: 'orders', instance: 'orders-1', version: 1, codec: 'json' });
    expect(manifest['patterns']).toContainEqual({ pattern: 'orders.place', kind: 'message', idempotent: true });
  });

  it('leaves who is somebody else', async () => {
    const { acceptor, peer } = await client({}, 'stock');
    await peer.closed;
    await eventually(() => acceptor.connections.size === 0);
  });

  it('calls, many at once, and gets values, bytes, nothing and errors', async () => {
    const { peer } = await client();
    await peer.ready;
    const order = { id: 7, sku: 'Ä-1', lines: [1, null, 'two'] };
    const calls = ['orders.place', 'orders.file', 'orders.nothing'].map((pattern) => peer.call(pattern, order));
    expect(await Promise.all(calls)).toEqual([[order], [Buffer.from([0xca, 0xfe])], [undefined]]);
    const failed = peer.call('orders.fail', undefined);
    const soldOut = { code: 'FAILED_PRECONDITION', message: 'sold out', data: { sku: 'A-1' } };
    await expect(failed).rejects.toMatchObject(soldOut);
    await expect(peer.call('orders.unheard-of', 1)).rejects.toMatchObject({ reason: 'NO_HANDLER' });
  });

  it('reads a stream of several windows, giving credit as it reads', async () => {
    const { peer } = await client();
    await peer.ready;
    const values = (await peer.call('orders.lines', undefined)) as { line: number }[];
    expect(values.map(({ line }) => line)).toEqual(Array.from({ length: 500 }, (_, line) => line));
    expect(peer.givenBytes).toBeGreaterThan(7 * 65_536);
  });

  it('answers when it is asked whether it is there, and so stays connected', async () => {
    const keepAlive = { busyAfterMs: 20, busyTimeoutMs: 1_000, idleAfterMs: 20, idleTimeoutMs: 1_000 };
    const { peer } = await client({ keepAlive });
    await peer.ready;
    await eventually(() => peer.pings >= 3);
    expect(await peer.call('orders.place', 'still here')).toEqual(['still here']);
  });

  it('starts no call after a GOAWAY, hears the end of those under way, and leaves', async () => {
    const { acceptor, peer } = await client();
    await peer.ready;
    const waiting = peer.call('orders.wait', undefined);
    await eventually(() => release.length === 1);
    acceptor.announceDrain();
    await eventually(() => peer.goaway !== undefined);
    expect(peer.goaway).toMatchObject({ code: 0, lastCallId: 0xffff_ffff });
    await expect(peer.call('orders.place', 1)).rejects.toThrow('no further calls');
    release[0]!();
    expect(await waiting).toEqual(['done']);
    await peer.closed;
    await eventually(() => acceptor.connections.size === 0);
  });
});
