import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { embeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { RookeryClient, RookeryError } from '../../lib/index.js';
import { fromRoot } from '../support/root.js';

const RATE = 500;
const SECONDS = 4;

let folder: string;
const children: ChildProcess[] = [];
const closings: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rookery-kill-'));
});

afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Instance {
  child: ChildProcess;
  instanceId: string;
  journal: string;
}

async function start(registryAddress: string, number: number): Promise<Instance> {
  const journal = join(folder, `journal-${number}`);
  const child = fork(fromRoot('test/faults/doomed-orders.mjs'), [registryAddress, journal], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.push(child);
  const { instanceId } = await new Promise<{ instanceId: string }>((resolve) => child.once('message', resolve as never));
  return { child, instanceId, journal };
}

interface Record {
  id: number;
  isIdempotent: boolean;
  error?: RookeryError;
}

/** Starts `RATE` calls a second, whether or not earlier ones have ended: nobody waits for a slow answer. */
async function load(client: RookeryClient, seconds: number, at: Map<number, () => void>): Promise<Record[]> {
  const records: Record[] = [];
  const running: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let id = 0; id < RATE * seconds; id++) {
    at.get(id)?.();
    const waitMs = startedAt + (id * 1_000) / RATE - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const record: Record = { id, isIdempotent: id % 5 !== 0 };
    records.push(record);
    const answer = client.call<number>(record.isIdempotent ? 'orders.get' : 'orders.place', id, { timeout: '2s' });
    running.push(
      answer.then(
        (reply) => expect(reply).toBe(id),
        (error: RookeryError) => void (record.error = error),
      ),
    );
  }
  await Promise.all(running);
  return records;
}

describe('an instance killed in the middle of the load', { timeout: 60_000 }, () => {
  it('costs no idempotent call, and of the others at most those it was working on, each reported as of unknown fate', async () => {
    const server = new RegistryServer({ port: 0 });
    const { host, port } = await server.listen();
    closings.push(() => server.close());
    const address = `${host}:${port}`;
    const instances = await Promise.all([1, 2, 3].map((number) => start(address, number)));
    const registry = embeddedRegistry({ address });
    closings.push(() => registry.close());
    const client = new RookeryClient({ service: 'orders', registry, snapshotDir: false });
    closings.push(() => client.close());
    await client.connect();

    const victim = instances[0]!;
    let inFlightAtKill = 0;
    const kill = () => {
      inFlightAtKill = client.unwrap().endpoints.find((endpoint) => endpoint.instanceId === victim.instanceId)!.inFlight;
      victim.child.kill('SIGKILL');
    };
    const records = await load(client, SECONDS, new Map([[(RATE * SECONDS) / 2, kill]]));

    const failed = records.filter(({ error }) => error !== undefined);
    expect(failed.filter(({ isIdempotent }) => isIdempotent)).toEqual([]);
    // Up to three more were sent between the kill and the news of it.
    expect(failed.length).toBeLessThanOrEqual(inFlightAtKill + 3);
    for (const { error } of failed) expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });

    const placed = instances.flatMap(({ journal }) => readFileSync(journal, 'utf8').trim().split('\n').map(Number));
    expect(new Set(placed).size, 'an order placed twice').toBe(placed.length);
    const answered = records.filter(({ isIdempotent, error }) => !isIdempotent && error === undefined);
    expect(answered.every(({ id }) => placed.includes(id))).toBe(true);
    const later = records.filter(({ id }) => id > (RATE * SECONDS) / 2 + RATE);
    expect(later.filter(({ error }) => error !== undefined)).toEqual([]);
  });
});
