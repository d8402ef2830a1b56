import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { snapshotStore, type SnapshotStoreOptions } from '../../../lib/discovery/file-snapshot-store.js';
import { snapshotFileName } from '../../../lib/discovery/snapshot-file.js';
import { snapshotKey, type SnapshotEvent } from '../../../lib/discovery/snapshot-store.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { order, orders } from './support/instances.js';

const HOUR = 3_600_000;
const KEY = snapshotKey('nacos', 'orders');

let parent: string;
let dir: string;
let clock: FakeClock;
let events: SnapshotEvent[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'rookery-'));
  dir = join(parent, 'snapshots');
  clock = new FakeClock();
  events = [];
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const store = (options: SnapshotStoreOptions = {}) =>
  snapshotStore({ snapshotDir: dir, clock, onEvent: (event) => events.push(event), ...options });

const file = () => join(dir, snapshotFileName(KEY));

async function save(count = 3): Promise<void> {
  const writer = store();
  writer.save(KEY, orders(count));
  await writer.close();
}

describe('a snapshot', () => {
  it('is what was saved, for the next process', async () => {
    await save();
    const snapshot = await store().load(KEY);
    expect(snapshot!.instances).toEqual(orders(3));
    expect(Math.abs(snapshot!.savedAtMs - Date.now())).toBeLessThan(10_000);
    expect(events).toEqual([]);
  });

  it('is a file of mode 0600 in a folder of mode 0700, with a harmless name', async () => {
    const key = snapshotKey('nacos', '../../etc/passwd');
    const writer = store();
    writer.save(key, orders(1));
    await writer.close();
    const names = await readdir(dir);
    expect(names).toEqual([expect.stringMatching(/^[0-9a-f]{40}\.snapshot$/)]);
    expect((await lstat(dir)).mode & 0o777).toBe(0o700);
    expect((await lstat(join(dir, names[0]!))).mode & 0o777).toBe(0o600);
  });

  it('is one for each registry, namespace, group and narrower query, however it is spelled', () => {
    const key = (query: object) => snapshotKey('nacos', 'orders', query);
    const keys = [
      snapshotKey('consul', 'orders'),
      key({}),
      key({ namespaceId: 'a' }),
      key({ groupName: 'a' }),
      key({ clusterName: 'a' }),
      key({ version: 'a' }),
      key({ tags: ['a'] }),
      key({ tags: ['b', 'a'] }),
      key({ metadata: { a: 'b' } }),
    ];
    expect(new Set(keys.map(snapshotFileName)).size).toBe(keys.length);
    expect(key({ namespaceId: 'public', healthyOnly: true })).toBe(key({}));
    expect(key({ tags: ['a', 'b', 'a'] })).toBe(key({ tags: ['b', 'a'] }));
    expect(key({ metadata: { a: '1', b: '2' } })).toBe(key({ metadata: { b: '2', a: '1' } }));
  });

  it('that is not there is none, and no folder is made to look', async () => {
    expect(await store().load(KEY)).toBeUndefined();
    expect(await readdir(parent)).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe('a damaged snapshot is ignored and reported:', () => {
  async function expectIgnored(problem: RegExp): Promise<void> {
    expect(await store().load(KEY)).toBeUndefined();
    expect(events).toEqual([{ type: 'snapshot-ignored', file: file(), problem: expect.stringMatching(problem) }]);
  }

  it('truncated anywhere', async () => {
    await save(1);
    const whole = await readFile(file());
    for (let length = 0; length < whole.length; length += 7) {
      await writeFile(file(), whole.subarray(0, length));
      expect(await store().load(KEY)).toBeUndefined();
    }
    await writeFile(file(), whole);
    expect(await store().load(KEY)).toBeDefined();
  });

  it('with any single bit flipped', async () => {
    await save(1);
    const whole = await readFile(file());
    for (let bit = 0; bit < whole.length * 8; bit += 5) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file(), flipped);
      expect(await store().load(KEY)).toBeUndefined();
    }
  });

  it('older than 24 h, or as much from the future', async () => {
    await save();
    for (const hours of [25, -25]) {
      const later = store({ wallNow: () => Date.now() + hours * HOUR });
      expect(await later.load(KEY)).toBeUndefined();
    }
    expect(events).toHaveLength(2);
    expect(events[0]!.problem).toContain('24 h');
    expect(await store({ wallNow: () => Date.now() + 23 * HOUR }).load(KEY)).toBeDefined();
    expect(await store({ wallNow: () => Date.now() - HOUR }).load(KEY)).toBeDefined();
  });

  it('of another service, under this name', async () => {
    const writer = store();
    const other = snapshotKey('nacos', 'payments');
    writer.save(other, orders(1));
    await writer.close();
    await copyFile(join(dir, snapshotFileName(other)), file());
    await chmod(file(), 0o600);
    await expectIgnored(/belongs to another/);
  });

  it('of another version', async () => {
    await save();
    const text = await readFile(file(), 'utf8');
    await writeFile(file(), text.replace('rookery-snapshot 1 ', 'rookery-snapshot 2 '));
    await expectIgnored(/version 2/);
  });

  it('of another format', async () => {
    await save();
    await writeFile(file(), JSON.stringify(orders(3)));
    await expectIgnored(/is no snapshot/);
  });

  it('over 4 MiB', async () => {
    await save();
    await writeFile(file(), Buffer.alloc(4 * 1024 * 1024 + 1));
    await expectIgnored(/limit is 4194304/);
  });

  it('readable or writable by others', async () => {
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      events = [];
      await save();
      await chmod(file(), mode);
      await expectIgnored(/open to others/);
    }
  });

  it('of another user', async () => {
    await save();
    const owner = process.getuid!();
    const getuid = vi.spyOn(process, 'getuid').mockReturnValue(owner + 1);
    await expectIgnored(new RegExp(`belongs to user ${owner}, not to ${owner + 1}`)).finally(() =>
      getuid.mockRestore(),
    );
  });

  it('a symbolic link', async () => {
    await save();
    const elsewhere = join(parent, 'elsewhere');
    await copyFile(file(), elsewhere);
    await chmod(elsewhere, 0o600);
    await rm(file());
    await symlink(elsewhere, file());
    await expectIgnored(/ELOOP|EMLINK/);
  });

  it('a folder', async () => {
    await mkdir(file(), { recursive: true, mode: 0o700 });
    await chmod(dir, 0o700);
    await expectIgnored(/no regular file|EISDIR/);
  });
});

describe('a folder that is not private', () => {
  it.each([0o777, 0o750, 0o705, 0o720])('is neither read nor written: mode %o', async (mode) => {
    await save();
    await chmod(dir, mode);
    expect(await store().load(KEY)).toBeUndefined();
    await save(4);
    expect(events.map(({ type }) => type)).toEqual(['snapshot-ignored', 'snapshot-unwritable']);
    expect(events[1]!.problem).toMatch(/open to others .*chmod/);
    await chmod(dir, 0o700);
    expect((await store().load(KEY))!.instances).toHaveLength(3);
  });

  it('is neither read nor written: a symbolic link', async () => {
    const elsewhere = join(parent, 'elsewhere');
    await mkdir(elsewhere, { mode: 0o700 });
    await symlink(elsewhere, dir);
    await save();
    expect(await store().load(KEY)).toBeUndefined();
    expect(events.every(({ problem }) => problem.includes('symbolic link'))).toBe(true);
    expect(await readdir(elsewhere)).toEqual([]);
  });

  it('is neither read nor written: a file', async () => {
    await writeFile(dir, '');
    await save();
    expect(events).toMatchObject([{ type: 'snapshot-unwritable', problem: expect.stringContaining('no folder') }]);
  });
});

describe('writing', () => {
  it('happens at most once a second and service, with the newest list', async () => {
    const writer = store();
    for (let count = 1; count <= 50; count++) {
      writer.save(KEY, orders(count));
      expect(clock.pending).toBe(1);
      clock.advance(10);
    }
    expect(await readdir(parent)).toEqual([]);
    clock.advance(1_000);
    expect(clock.pending).toBe(0);
    await writer.close();
    expect((await store().load(KEY))!.instances).toHaveLength(50);
  });

  it('is completed by close, which leaves no timer and no temporary file', async () => {
    const writer = store();
    const keys = Array.from({ length: 20 }, (_, index) => snapshotKey('nacos', `service-${index}`));
    for (const key of keys) writer.save(key, orders(2));
    expect(clock.pending).toBe(20);
    await writer.close();
    expect(clock.pending).toBe(0);
    const names = await readdir(dir);
    expect(names).toHaveLength(20);
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await writer.close();
  });

  it('of a list over 4 MiB is left, reported once, and does no harm to the others', async () => {
    const writer = store();
    const metadata = { text: 'x'.repeat(4_000) };
    const big = Array.from({ length: 1_200 }, (_, index) => order(index, { metadata }));
    for (let times = 0; times < 3; times++) {
      writer.save(KEY, big);
      writer.save(snapshotKey('nacos', 'payments'), orders(1));
      await writer.close();
    }
    expect(events).toMatchObject([{ type: 'snapshot-unwritable', problem: expect.stringContaining('limit is') }]);
    expect(await readdir(dir)).toHaveLength(1);
  });

  it('that fails is reported once until it works again, and never thrown', async () => {
    await writeFile(join(parent, 'file'), '');
    dir = join(parent, 'file', 'snapshots');
    const writer = store();
    for (let times = 0; times < 3; times++) {
      writer.save(KEY, orders(1));
      await writer.close();
    }
    expect(events).toMatchObject([{ type: 'snapshot-unwritable', problem: expect.stringContaining('ENOTDIR') }]);
    await rm(join(parent, 'file'));
    writer.save(KEY, orders(1));
    await writer.close();
    expect((await writer.load(KEY))!.instances).toHaveLength(1);
    expect(events).toHaveLength(1);
  });

  it('tidies up after killed processes and forgotten services, and touches nothing else', async () => {
    await save();
    const stale = [`${'a'.repeat(40)}.snapshot.${'b'.repeat(12)}.tmp`, `${'c'.repeat(40)}.snapshot`];
    for (const name of [...stale, 'notes.txt']) {
      await writeFile(join(dir, name), '');
      const longAgo = new Date(Date.now() - 48 * HOUR);
      await utimes(join(dir, name), longAgo, longAgo);
    }
    await save();
    expect(await readdir(dir)).toEqual(expect.arrayContaining(['notes.txt', snapshotFileName(KEY)]));
    expect(await readdir(dir)).toHaveLength(2);
  });
});

describe('snapshotDir', () => {
  it('false keeps nothing', async () => {
    const none = store({ snapshotDir: false });
    none.save(KEY, orders(1));
    await none.close();
    expect(await none.load(KEY)).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  it('is rookery below $XDG_CACHE_HOME, or below ~/.cache, where it is not given', async () => {
    const { XDG_CACHE_HOME, HOME } = process.env;
    try {
      process.env['XDG_CACHE_HOME'] = join(parent, 'xdg');
      process.env['HOME'] = join(parent, 'home');
      await snapshotStoreSaves();
      process.env['XDG_CACHE_HOME'] = 'relative';
      await snapshotStoreSaves();
    } finally {
      restore('XDG_CACHE_HOME', XDG_CACHE_HOME);
      restore('HOME', HOME);
    }
    expect(await readdir(join(parent, 'xdg', 'rookery'))).toHaveLength(1);
    expect(await readdir(join(parent, 'home', '.cache', 'rookery'))).toHaveLength(1);
  });

  it('is refused where it is no path', () => {
    expect(() => store({ snapshotDir: '' })).toThrow(/^snapshotDir: expected/);
    expect(() => store({ snapshotDir: true as never })).toThrow(/^snapshotDir: expected/);
  });

  async function snapshotStoreSaves(): Promise<void> {
    const writer = snapshotStore({ clock });
    writer.save(KEY, orders(1));
    await writer.close();
  }

  function restore(name: string, value: string | undefined): void {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});
