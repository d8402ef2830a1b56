import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { embeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { RookeryClient } from '../../lib/index.js';
import { closing, eventually } from '../microservice/colony.js';
import { Load } from './load.js';
import { startOrders } from './process.js';

const RATE = 500;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rookery-kill-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an instance killed in the middle of the load', { timeout: 60_000 }, () => {
  it('costs no idempotent call, and of the others at most those it was working on, each reported as of unknown fate', async () => {
    const server = closing(new RegistryServer({ port: 0 }));
    const { host, port } = await server.listen();
    const address = `${host}:${port}`;
    const journals = ['a', 'b', 'c'].map((name) => join(folder, name));
    const instances = await Promise.all(journals.map((journal) => startOrders(address, journal)));
    for (const { child } of instances) closing({ close: async () => child.kill('SIGKILL') });
    const client = closing(
      new RookeryClient({ service: 'orders', registry: closing(embeddedRegistry({ address })), snapshotDir: false }),
    );
    await client.connect();

    const isIdempotent = (id: number) => id % 5 !== 0;
    const load = new Load(client, RATE, (id) => (isIdempotent(id) ? 'orders.get' : 'orders.place')).start();
    await eventually(() => load.records.length >= 2 * RATE, 10_000);
    const victim = instances[0]!;
    const killedAt = load.records.length;
    const { inFlight } = client.unwrap().endpoints.find(({ instanceId }) => instanceId === victim.instanceId)!;
    victim.child.kill('SIGKILL');
    await eventually(() => load.records.length >= 4 * RATE, 10_000);
    const records = await load.stop();

    expect(load.failures.filter(({ id }) => isIdempotent(id))).toEqual([]);
    // Up to three more were sent between the kill and the news of it.
    expect(load.failures.length).toBeLessThanOrEqual(inFlight + 3);
    for (const { error } of load.failures)
      expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
    expect(load.failures.filter(({ id }) => id > killedAt + RATE / 2)).toEqual([]);

    const placed = journals.flatMap((journal) => readFileSync(journal, 'utf8').trim().split('\n').map(Number));
    expect(new Set(placed).size, 'orders placed twice').toBe(placed.length);
    const answered = records.filter(({ id, error }) => !isIdempotent(id) && error === undefined);
    expect(
      answered.filter(({ id }) => !placed.includes(id)),
      'answers without an order',
    ).toEqual([]);
  });
});

describe('an instance that is frozen', { timeout: 60_000 }, () => {
  it('is noticed within five seconds with calls in flight, and they go elsewhere where they may', async () => {
    const server = closing(new RegistryServer({ port: 0 }));
    const { host, port } = await server.listen();
    const address = `${host}:${port}`;
    const frozen = await startOrders(address);
    closing({ close: async () => frozen.child.kill('SIGKILL') });
    const client = closing(
      new RookeryClient({ service: 'orders', registry: closing(embeddedRegistry({ address })), snapshotDir: false }),
    );
    expect(await client.call('orders.get', 1)).toBe(1);

    frozen.child.kill('SIGSTOP');
    const startedAt = performance.now();
    const place = client.call('orders.place', 2, { timeout: '30s' }).catch((error: unknown) => error);
    const get = client.call('orders.get', 3, { timeout: '30s' });
    const other = await startOrders(address);
    closing({ close: async () => other.child.kill('SIGKILL') });
    expect(await place).toMatchObject({
      reason: 'CONNECTION_LOST',
      outcome: 'unknown',
      message: expect.stringContaining('went silent'),
    });
    // Three seconds of silence and two for the answer; the rest is for a machine that is busy.
    expect(performance.now() - startedAt).toBeLessThan(6_500);
    expect(await get).toBe(3);
  });
});
