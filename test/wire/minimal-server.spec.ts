import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { staticRegistry, type RookeryClient } from '../../lib/index.js';
import { Colony, errorOf, eventually } from '../microservice/colony.js';
import { MinimalServer } from './support/minimal-server.js';

const seen: string[] = [];

async function* lines(count: number, signal: AbortSignal) {
  let made = 0;
  try {
    for (; made < count && !signal.aborted; made++) yield { line: made, text: 'x'.repeat(1_000) };
  } finally {
    seen.push(made === count ? 'all lines were made' : 'the lines were stopped');
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

/** A real client, of a server that was written from PROTOCOL.md alone. */
async function client(): Promise<{ client: RookeryClient; minimal: MinimalServer }> {
  const minimal = new MinimalServer('orders', {
    'orders.place': async (data) => data,
    'orders.nothing': async () => undefined,
    'orders.fail': () => Promise.reject(new Error('sold out')),
    'orders.lines': (count, { signal }) => lines(count as number, signal),
    'orders.wait': async (name, { signal, remainingMs }) => {
      seen.push(`${String(name)} waits, at most ${remainingMs > 0 && remainingMs <= 5_000}`);
      await aborted(signal);
      seen.push(`${String(name)} was told to stop`);
    },
    'order.placed': async (data) => void seen.push(`placed ${JSON.stringify(data)}`),
  });
  minimal.server.listen(0, '127.0.0.1');
  await once(minimal.server, 'listening');
  onTestFinished(() => {
    for (const socket of minimal.sockets) socket.destroy();
    minimal.server.close();
  });
  const { port } = minimal.server.address() as AddressInfo;
  const registry = staticRegistry({ orders: [`127.0.0.1:${port}`] });
  return { client: new Colony().client({ registry }), minimal };
}

/** What PROTOCOL.md calls the least a server must do is enough for a real client. */
describe('a server written from PROTOCOL.md alone', () => {
  it('answers calls, many at once, and fails and refuses them', async () => {
    const { client: orders } = await client();
    const order = { id: 7, sku: 'Ä-1' };
    const calls = Array.from({ length: 50 }, (_, id) => orders.call('orders.place', { ...order, id }));
    expect(await Promise.all(calls)).toEqual(calls.map((_, id) => ({ ...order, id })));
    expect(await orders.call('orders.nothing')).toBeUndefined();
    const failed = { code: 'UNKNOWN', message: 'sold out', outcome: 'handled' };
    expect(await errorOf(orders.call('orders.fail', 1))).toMatchObject(failed);
    expect(await errorOf(orders.call('orders.unheard-of', 1))).toMatchObject({ reason: 'NO_HANDLER' });
  });

  it('is told events, and acknowledges them', async () => {
    const { client: orders } = await client();
    orders.emit('order.placed', { id: 8 });
    await eventually(() => seen.includes('placed {"id":8}'));
    await orders.call('orders.place', 'the connection goes on');
  });

  it('streams as long as it has credit, and stops when nobody reads any more', async () => {
    const { client: orders } = await client();
    const read: number[] = [];
    for await (const { line } of orders.stream<{ line: number }>('orders.lines', 1_000)) read.push(line);
    expect(read).toEqual(Array.from({ length: 1_000 }, (_, line) => line));
    expect(seen.at(-1)).toBe('all lines were made');
    for await (const _ of orders.stream('orders.lines', 100_000)) break;
    await eventually(() => seen.at(-1) === 'the lines were stopped');
  });

  it('hears of calls that are cancelled, or whose time is over', async () => {
    const { client: orders } = await client();
    const abort = new AbortController();
    const cancelled = errorOf(orders.call('orders.wait', 'the first', { signal: abort.signal }));
    await eventually(() => seen.includes('the first waits, at most true'));
    abort.abort();
    expect(await cancelled).toMatchObject({ reason: 'CALLER_ABORTED' });
    const expired = await errorOf(orders.call('orders.wait', 'the second', { timeout: '100ms' }));
    expect(expired).toMatchObject({ reason: 'DEADLINE_EXPIRED' });
    const stopped = ['the first was told to stop', 'the second was told to stop'];
    await eventually(() => stopped.every((line) => seen.includes(line)));
  });
});
