import { readFileSync, statSync, truncateSync, writeFileSync, type PathLike } from 'node:fs';
import { appendFile, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi, type MockInstance } from 'vitest';

import { seededRng } from '../../../lib/core/random.js';
import type { ServiceInstance } from '../../../lib/core/instance.js';
import { crc32 } from '../../../lib/embedded/journal/crc32.js';
import {
  journalLine,
  parseJournalLine,
  refOf,
  type JournalEntry,
} from '../../../lib/embedded/journal/journal-entry.js';
import { JournalFolder } from '../../../lib/embedded/journal/journal-folder.js';
import { recover } from '../../../lib/embedded/journal/recovery.js';
import { RegistryData } from '../../../lib/embedded/registry-data.js';
import { InstanceTable } from '../../../lib/registry/instance-table.js';
import { until } from '../../../lib/testing/waiting.js';
import { dataFolder } from './support/data-folder.js';
import { order } from './support/stage.js';

const SEED = 20_26;
const OWNER = {};

interface Opened {
  readonly data: RegistryData;
  readonly table: InstanceTable;
  readonly reports: string[];
}

async function opened(dataDir: string, maxLogBytes?: number, maxInstances?: number): Promise<Opened> {
  const table = new InstanceTable({ maxInstances });
  const reports: string[] = [];
  const data = await RegistryData.open({ dataDir, table, maxLogBytes, report: (message) => reports.push(message) });
  onTestFinished(() => data.close());
  return { data, table, reports };
}

function ids({ table }: Pick<Opened, 'table'>): string[] {
  return table.records().map(({ instanceId }) => instanceId);
}

const padding = 'x'.repeat(1_000);

describe('a line of the journal', () => {
  it('has the CRC-32 that others compute', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    if (typeof zlibCrc32 !== 'function') return;
    const rng = seededRng(SEED);
    for (let size = 0; size < 300; size++) {
      const bytes = Buffer.from(Array.from({ length: size }, () => Math.floor(rng() * 256)));
      expect(crc32(bytes)).toBe(zlibCrc32(bytes));
    }
  });

  it('says what was written, whatever characters are in it, and stays one line', () => {
    const put = order('o1', { metadata: { text: 'a\nb\r\u2028ü𝄞"\\' }, tags: ['\n'] });
    for (const entry of [{ put }, { gone: refOf(put) }, { end: 7 }] satisfies JournalEntry[]) {
      const line = journalLine(entry);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(parseJournalLine(Buffer.from(line.slice(0, -1)))).toEqual(entry);
    }
  });
});

describe('a registry with a data folder', () => {
  it('knows after a restart what was put and not removed, as it was registered, and is the same for its clients', async () => {
    const dir = dataFolder();
    const first = await opened(dir);
    const kept = order('o1', { metadata: { zone: 'a' }, weight: 3 });
    await Promise.all([first.data.put(kept, OWNER), first.data.put(order('o2'), OWNER)]);
    await first.data.put(order('o3'), OWNER);
    await first.data.remove(order('o2'));
    first.table.markOwnerLost(OWNER);
    await first.data.close();
    const second = await opened(dir);
    expect(second.table.query('orders')).toEqual([kept, order('o3')]);
    expect(second.data).toMatchObject({ registryId: first.data.registryId, isComplete: true });
    expect(first.data.isComplete).toBe(false);
    expect(second.reports).toEqual([]);
    expect(second.table.stats()).toMatchObject({ instances: 2, registrations: 0 });
  });

  it('keeps the order of changes of one instance, also of those under way', async () => {
    const dir = dataFolder();
    const { data, table } = await opened(dir);
    await data.put(order('o1'), OWNER);
    await Promise.all([data.remove(order('o1')), data.put(order('o1'), OWNER), data.put(order('o2'), OWNER)]);
    await Promise.all([data.put(order('o2', { weight: 2 }), OWNER), data.remove(order('o2'))]);
    expect(ids({ table })).toEqual(['o1']);
    await data.close();
    expect(ids(await opened(dir))).toEqual(['o1']);
  });

  it('answers nobody, and changes nothing, before the disk has it', async () => {
    const { data, table } = await opened(dataFolder());
    const datasync = await spiedOn('datasync');
    let sync = () => {};
    datasync.mockImplementationOnce(() => new Promise<void>((resolve) => (sync = resolve)));
    const written = Promise.resolve(data.put(order('o1'), OWNER));
    await until('the sync begins', () => datasync.mock.calls.length === 1, 3_000);
    expect(ids({ table })).toEqual([]);
    sync();
    await written;
    expect(ids({ table })).toEqual(['o1']);
  });

  it('syncs once for all changes of one turn, and once for those that came meanwhile', async () => {
    const { data, table } = await opened(dataFolder());
    const datasync = await spiedOn('datasync');
    const later: Promise<unknown>[] = [];
    datasync.mockImplementationOnce(async () => {
      for (let n = 200; n < 400; n++) later.push(Promise.resolve(data.put(order(`o${n}`), OWNER)));
    });
    await Promise.all(Array.from({ length: 200 }, async (_, n) => data.put(order(`o${n}`), OWNER)));
    await Promise.all(later);
    expect(datasync).toHaveBeenCalledTimes(2);
    expect(table.stats().instances).toBe(400);
  });

  it('writes nothing for a record that is registered already, and forgets for good what expired', async () => {
    const dir = dataFolder();
    const { data } = await opened(dir);
    await Promise.all([data.put(order('o1'), OWNER), data.put(order('o2'), OWNER)]);
    const datasync = await spiedOn('datasync');
    await data.put(order('o1'), {});
    expect(datasync).not.toHaveBeenCalled();
    data.noteExpired(order('o2'));
    await data.close();
    expect(ids(await opened(dir))).toEqual(['o1']);
  });

  it('takes no more than it has room for, however many come at once, and leaves none of the others behind', async () => {
    const dir = dataFolder();
    const { data, table } = await opened(dir, undefined, 3);
    const puts = Array.from({ length: 6 }, (_, n) => Promise.resolve(data.put(order(`o${n}`), OWNER)));
    const results = await Promise.allSettled(puts);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(3);
    expect(() => data.put(order('o9'), OWNER)).toThrow(expect.objectContaining({ reason: 'REGISTRY_FULL' }));
    const known = ids({ table });
    await data.close();
    const again = await opened(dir);
    expect(ids(again)).toEqual(known);
    await again.data.close();
    const smaller = await opened(dir, undefined, 2);
    expect(ids(smaller)).toEqual(known.slice(0, 2));
    expect(smaller.reports.join()).toContain('maxInstances');
    expect(smaller.data.isComplete).toBe(false);
  });

  it('is for its user alone', async () => {
    const dir = join(dataFolder(), 'deep', 'er');
    const { data } = await opened(dir);
    await data.put(order('o1'), OWNER);
    const modeOf = (path: PathLike) => (statSync(path).mode & 0o777).toString(8);
    expect(modeOf(join(dir, 'registry'))).toBe('700');
    for (const name of await readdir(join(dir, 'registry')))
      expect([name, modeOf(join(dir, 'registry', name))]).toEqual([name, '600']);
  });

  it('is used by one registry at a time, and free again when that one ends', async () => {
    const dir = dataFolder();
    const first = await opened(dir);
    const second = RegistryData.open({ dataDir: dir, table: new InstanceTable(), report: () => undefined });
    await expect(second).rejects.toMatchObject({ name: 'ConfigurationError', reason: 'DATA_DIR_UNUSABLE' });
    await expect(second).rejects.toThrow(/another registry uses it/);
    await first.data.close();
    await opened(dir);
  });

  it('says what is wrong with a folder it cannot use', async () => {
    const file = join(dataFolder(), 'file');
    await writeFile(file, '');
    const open = (dataDir: string) =>
      RegistryData.open({ dataDir, table: new InstanceTable(), report: () => undefined });
    await expect(open(file)).rejects.toMatchObject({
      reason: 'DATA_DIR_UNUSABLE',
      message: expect.stringContaining(file),
    });
    await expect(open(join(dataFolder(), 'x'.repeat(120)))).rejects.toThrow(/bytes too long for the socket/);
    const dir = dataFolder();
    await (await opened(dir)).data.close();
    const newer = '{"header":{"rookery":"registry","format":2,"registryId":"x"}}';
    await writeFile(
      join(dir, 'registry', 'log-9'),
      `${crc32(Buffer.from(newer)).toString(16).padStart(8, '0')} ${newer}\n`,
    );
    await expect(open(dir)).rejects.toThrow(/format 2.*use the version that wrote it/);
    expect(await readdir(join(dir, 'registry'))).toContain('log-9');
  });
});

describe('the log of a registry', () => {
  it('is replaced by a snapshot when it is long, while changes go on, and nothing is lost', async () => {
    const dir = dataFolder();
    const { data, table, reports } = await opened(dir, 20_000);
    for (let round = 0; round < 30; round++) {
      const writes = Array.from({ length: 10 }, (_, n) =>
        data.put(order(`o${n}`, { metadata: { padding, round: String(round) } }), OWNER),
      );
      await Promise.all([...writes, data.put(order(`extra${round}`), OWNER)]);
      if (round % 3 === 0) await data.remove(order(`extra${round}`));
    }
    await data.close();
    const files = await readdir(join(dir, 'registry'));
    expect(files.length, files.join()).toBeLessThanOrEqual(3);
    expect(Math.max(...files.map((name) => Number(name.split('-')[1])))).toBeGreaterThan(3);
    for (const name of files) expect(statSync(join(dir, 'registry', name)).size).toBeLessThan(100_000);
    expect(reports).toEqual([]);
    const again = await opened(dir);
    expect(new Set(again.table.records())).toEqual(new Set(table.records()));
    expect(again.data.isComplete).toBe(true);
  });

  it('goes on where a snapshot cannot be written, and says so', async () => {
    const dir = dataFolder();
    const { data, reports } = await opened(dir, 2_000);
    const sync = await spiedOn('sync');
    sync.mockRejectedValue(noSpace());
    for (let n = 0; n < 20; n++) await data.put(order(`o${n}`, { metadata: { padding } }), OWNER);
    expect(reports.join()).toMatch(/goes on with (it|its log).*no space/);
    sync.mockRestore();
    for (let n = 20; n < 40; n++) await data.put(order(`o${n}`, { metadata: { padding } }), OWNER);
    await data.close();
    expect(ids(await opened(dir))).toHaveLength(40);
  });
});

describe('a registry whose disk takes nothing', () => {
  it.each(['write', 'datasync'] as const)(
    'refuses changes where %s fails, without making them, and takes them again as soon as it can',
    async (method) => {
      const dir = dataFolder();
      const { data, table, reports } = await opened(dir);
      await data.put(order('o1'), OWNER);
      const failing = await spiedOn(method);
      failing.mockRejectedValue(noSpace());
      const refusal = { name: 'RegistryError', reason: 'REGISTRY_READ_ONLY', code: 'UNAVAILABLE' };
      for (const write of [
        data.put(order('o2'), OWNER),
        data.remove(order('o1')),
        data.put(order('o1', { weight: 2 }), OWNER),
      ])
        await expect(write).rejects.toMatchObject(refusal);
      expect(table.query('orders')).toEqual([order('o1')]);
      expect(data.isWritable).toBe(false);
      await data.put(order('o1'), {});
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatch(/cannot write to .*no space.*takes no changes/);

      failing.mockRestore();
      const works = async () =>
        Promise.resolve(data.put(order('o3'), OWNER)).then(
          () => true,
          () => false,
        );
      await until('it takes changes', works, 5_000);
      expect(data.isWritable).toBe(true);
      expect(reports[1]).toContain('again');
      await data.close();
      const again = await opened(dir);
      expect(ids(again).sort()).toEqual(['o1', 'o3']);
      expect(again.data.isComplete).toBe(true);
    },
  );

  it('starts all the same, knows what it knew, and takes no changes', async () => {
    const dir = dataFolder();
    const first = await opened(dir);
    await first.data.put(order('o1'), OWNER);
    await first.data.close();
    const write = await spiedOn('write');
    write.mockRejectedValue(noSpace());
    const second = await opened(dir);
    expect(ids(second)).toEqual(['o1']);
    await expect(second.data.put(order('o2'), OWNER)).rejects.toMatchObject({ reason: 'REGISTRY_READ_ONLY' });
    write.mockRestore();
    await second.data.close();
    expect(ids(await opened(dir))).toEqual(['o1']);
  });
});

describe('files that are not as they were written', { timeout: 60_000 }, () => {
  const STATE = ['o1', 'o2', 'o3', 'o4'];

  /** A snapshot with o1 and o2, and a log that adds o3 and o4, and o1 once more. */
  async function written(): Promise<{
    folder: JournalFolder;
    dir: string;
    log: Buffer;
    snapshot: Buffer;
    registryId: string;
  }> {
    const dir = dataFolder();
    const first = await opened(dir);
    for (const id of ['o1', 'o2']) await first.data.put(order(id), OWNER);
    await first.data.close();
    const second = await opened(dir);
    for (const id of ['o3', 'o4', 'o5']) await second.data.put(order(id), OWNER);
    await second.data.remove(order('o5'));
    await second.data.put(order('o1', { weight: 2 }), OWNER);
    await second.data.close();
    const folder = await JournalFolder.open(dir);
    onTestFinished(() => folder.close());
    const [log, snapshot] = ['log-2', 'snapshot-2'].map((name) => readFileSync(folder.pathOf(name)));
    return { folder, dir, log: log!, snapshot: snapshot!, registryId: second.data.registryId };
  }

  it('start with all before the tear where the log is cut off, at every byte, and nothing is damaged', async () => {
    const { folder, log, snapshot, registryId } = await written();
    for (let size = log.length; size >= 0; size--) {
      truncateSync(folder.pathOf('log-2'), size);
      const { instances, damages, registryId: id } = await recover(folder);
      expect({ size, state: stateOf(instances), damages, id }).toEqual({
        size,
        state: stateOf(applied(linesOf(snapshot), linesOf(log.subarray(0, size)))),
        damages: [],
        id: registryId,
      });
    }
  });

  it('start with all other lines where a byte is another one, at every byte of the log, and say where', async () => {
    const { folder, log, snapshot } = await written();
    const rng = seededRng(SEED);
    for (let at = 0; at < log.length; at++) {
      const bad = Buffer.from(log);
      bad[at]! ^= 1 + Math.floor(rng() * 255);
      writeFileSync(folder.pathOf('log-2'), bad);
      const { instances, damages, registryId } = await recover(folder);
      const isTail = at === log.length - 1;
      const expected = applied(linesOf(snapshot), linesOf(bad));
      expect({ at, state: stateOf(instances) }, `seed ${SEED}`).toEqual({ at, state: stateOf(expected) });
      const lineAt = log.lastIndexOf('\n', at - 1) + 1;
      expect({ at, offsets: damages.map(({ offset }) => offset) }).toEqual({
        at,
        offsets: isTail ? [] : [at === 0 ? 0 : lineAt],
      });
      if (!isTail) expect(registryId).toBeUndefined();
    }
  });

  it('start with what is left of a damaged snapshot, and the log, at every byte', async () => {
    const { folder, log, snapshot } = await written();
    for (let at = 0; at < snapshot.length; at++) {
      const bad = Buffer.from(snapshot);
      bad[at]! ^= 0x55;
      writeFileSync(folder.pathOf('snapshot-2'), bad);
      const { instances, damages } = await recover(folder);
      expect({ at, state: stateOf(instances) }).toEqual({ at, state: stateOf(applied(linesOf(bad), linesOf(log))) });
      expect(damages.map(({ path }) => path)).toEqual([folder.pathOf('snapshot-2')]);
      writeFileSync(folder.pathOf('snapshot-2'), snapshot.subarray(0, at));
      const cut = await recover(folder);
      expect({ at, state: stateOf(cut.instances) }).toEqual({
        at,
        state: stateOf(applied(linesOf(snapshot.subarray(0, at)), linesOf(log))),
      });
      expect(cut.damages).toHaveLength(at === snapshot.length - 1 ? 0 : 1);
    }
  });

  it('are set aside, a bounded number of them; the registry tells, is another one to its clients, and may not know everybody', async () => {
    const { folder, dir, registryId } = await written();
    await folder.close();
    const before = new Set([registryId]);
    for (let round = 1; round <= 12; round++) {
      const names = await readdir(join(dir, 'registry'));
      const log = names.find((name) => /^log-\d+$/.test(name))!;
      await appendFile(join(dir, 'registry', log), 'not what a registry writes\n');
      const { data, table, reports } = await opened(dir);
      expect(ids({ table }).sort()).toEqual(STATE);
      expect(data.isComplete).toBe(false);
      expect(before.has(data.registryId)).toBe(false);
      before.add(data.registryId);
      expect(reports[0]).toMatch(new RegExp(`${log} is damaged at byte \\d+: 1 lines`));
      expect(reports[1]).toContain(`${log}.corrupt-${round}`);
      await data.close();
    }
    const aside = (await readdir(join(dir, 'registry'))).filter((name) => name.includes('.corrupt-'));
    expect(aside.map((name) => Number(name.split('.corrupt-')[1])).sort((a, b) => a - b)).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12,
    ]);
    expect((await opened(dir)).data.isComplete).toBe(true);
  });

  it('that a crash left half done are no damage, and removed', async () => {
    const { folder, dir } = await written();
    await folder.close();
    for (const name of ['snapshot-3.tmp', 'lock.0123abcd', 'log-3']) await writeFile(join(dir, 'registry', name), '');
    const { data, table, reports } = await opened(dir);
    expect(ids({ table }).sort()).toEqual(STATE);
    expect(reports).toEqual([]);
    await data.close();
    expect((await readdir(join(dir, 'registry'))).sort()).toEqual(['log-4', 'snapshot-4']);
  });

  it('of any size are read in bounded pieces', async () => {
    const { folder, log } = await written();
    await writeFile(
      folder.pathOf('log-2'),
      Buffer.concat([log, Buffer.alloc(3_000_000, 'x'), Buffer.from('\n'), log.subarray(log.indexOf('\n') + 1)]),
    );
    const { instances, damages } = await recover(folder);
    expect(stateOf(instances).map(([id]) => id)).toEqual(STATE);
    expect(damages).toEqual([{ path: folder.pathOf('log-2'), offset: log.length, lines: 1 }]);
  });
});

/** What the lines say that are as they were written. */
function linesOf(file: Buffer): JournalEntry[] {
  return file
    .toString('latin1')
    .split('\n')
    .flatMap((line) => parseJournalLine(Buffer.from(line, 'latin1')) ?? []);
}

function applied(...files: JournalEntry[][]): ServiceInstance[] {
  const state = new Map<string, ServiceInstance>();
  for (const entry of files.flat()) {
    if ('put' in entry) state.set(entry.put.instanceId, entry.put);
    if ('gone' in entry) state.delete(entry.gone.instanceId);
  }
  return [...state.values()];
}

function stateOf(instances: readonly ServiceInstance[]): [string, number][] {
  return instances
    .map(({ instanceId, weight }): [string, number] => [instanceId, weight])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function noSpace(): NodeJS.ErrnoException {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
}

type FileHandle = Awaited<ReturnType<typeof open>>;

/** A method of all open files. */
async function spiedOn(method: 'write' | 'datasync' | 'sync'): Promise<MockInstance> {
  const file = await open('/dev/null', 'w');
  const spy = vi.spyOn(Object.getPrototypeOf(file) as FileHandle, method);
  await file.close();
  onTestFinished(() => spy.mockRestore());
  return spy;
}
