import { createHash } from 'node:crypto';
import { inspect, isDeepStrictEqual } from 'node:util';

import { describe, expect, it } from 'vitest';

import { instanceProblem, serviceInstance, type ServiceInstance } from '../../lib/core/instance.js';
import { AddressPolicy } from '../../lib/discovery/address-policy.js';
import { RecordFilter } from '../../lib/discovery/record-filter.js';
import { decodeSnapshot, encodeSnapshot } from '../../lib/discovery/snapshot-file.js';
import { journalLine, parseJournalLine } from '../../lib/embedded/journal/journal-entry.js';
import {
  parseInstanceQuery,
  parseInstanceRef,
  parseOptionalService,
  parseServiceQuery,
  parseServiceRef,
} from '../../lib/embedded/wire-query.js';
import { InstanceTable } from '../../lib/registry/instance-table.js';
import { FakeClock } from '../../lib/testing/fake-clock.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';
import { BodyMaker, encoded, JSON_TOKENS } from './support/bodies.js';
import { asFinding, asJsonFinding, keptBytes, keptValues, repeat } from './support/corpus.js';
import { Dice, type Draw } from './support/draw.js';
import { assertPrototypesUntouched, typed, withoutStacks } from './support/oracles.js';
import { fuzzPlan, Reached, report } from './support/plan.js';
import { GOOD_RECORD, RecordMaker } from './support/records.js';

const VOLUME = { always: 5_000, ci: 100_000 };
const POLICY = new AddressPolicy();
const MSGPACK = msgpackCodec();
const init = (record: unknown) => record as Parameters<typeof serviceInstance>[0];

/** What a check came to, for coverage. */
type Check = (record: unknown, draw: Draw) => 'taken' | 'refused';

/** Runs it; of what it throws only these reasons are a refusal. @returns what it returned, or `undefined` */
function refusable<T>(reasons: readonly string[], run: () => T): { value: T } | undefined {
  try {
    return { value: run() };
  } catch (error) {
    const { reason } = typed(error);
    if (!reasons.includes(reason)) throw new Error(`it was refused as ${reason}`, { cause: error });
    return undefined;
  }
}

const CHECKS: Record<string, Check> = {
  instanceProblem(record) {
    const problem = instanceProblem(record);
    if (problem === undefined) serviceInstance(init(record));
    else if (typeof problem !== 'string' || problem.length > 500 || /[\r\n]/.test(problem))
      throw new Error(`it says ${inspect(problem)}`);
    return problem === undefined ? 'taken' : 'refused';
  },

  serviceInstance(record, draw) {
    // Looking costs more than all the rest.
    const isWatched = draw(16) === 0;
    const before = isWatched && inspect(record, { depth: 4 });
    const made = refusable(['INSTANCE_INVALID'], () => serviceInstance(init(record)));
    if (isWatched && inspect(record, { depth: 4 }) !== before) throw new Error('what was given has changed');
    if (!made) return 'refused';
    const { value } = made;
    if (instanceProblem(value) !== undefined) throw new Error(`it made a bad record: ${instanceProblem(value)}`);
    if (![value, value.metadata, value.tags].every(Object.isFrozen)) throw new Error('it is not frozen');
    if (!isDeepStrictEqual(serviceInstance(value), value)) throw new Error('made again it differs');
    const text = JSON.stringify(value);
    if (JSON.stringify(serviceInstance(init(JSON.parse(text)))) !== text) throw new Error('it does not travel');
    const bytes = encoded(MSGPACK, value);
    if (JSON.stringify(MSGPACK.decode(bytes, 0, bytes.length)) !== text) throw new Error('it does not travel packed');
    return 'taken';
  },

  'queries of the embedded registry'(record) {
    const parsers = [parseInstanceRef, parseServiceRef, parseOptionalService, parseServiceQuery, parseInstanceQuery];
    let taken = 0;
    for (const parse of parsers) {
      const parsed = refusable(['OPTION_INVALID'], () => parse(record));
      if (!parsed) continue;
      taken++;
      if (!isDeepStrictEqual(parse(parsed.value), parsed.value)) throw new Error('parsed again it differs');
    }
    return taken > 0 ? 'taken' : 'refused';
  },

  'lists of the resolver'(record) {
    const filter = new RecordFilter('orders', POLICY, 2);
    const twin = { ...GOOD_RECORD, instanceId: 'other', port: 4_001 };
    const { instances, refused, refusals } = filter.apply([twin, record, { ...twin }]);
    if (instances.size === 0 || instances.size > 2 || refusals.length > 3) throw new Error('the good record is gone');
    for (const instance of instances.values())
      if (instanceProblem(instance) !== undefined) throw new Error('a bad record was let through');
    return refused > 1 || instances.size === 1 ? 'refused' : 'taken';
  },
};

describe.each(Object.entries(CHECKS))('Records as %s takes them, fuzzed', (name, check) => {
  it.each(keptValues('records'))('come to no harm with what once went wrong: $name', ({ content }) => {
    expect(['taken', 'refused']).toContain(check(content, new Dice(1).draw));
  });

  it('are taken or refused, and nothing else', () => {
    const plan = fuzzPlan(name, VOLUME);
    const reached = new Reached(['taken', 'refused']);
    const records = new RecordMaker();
    const dice = new Dice();
    const startMs = performance.now();
    withoutStacks(() => {
      for (let index = 0; index < plan.runs; index++) {
        const seed = plan.seed + index;
        const { draw } = dice.seed(seed);
        const record = records.make(draw);
        try {
          reached.count(check(record, draw));
        } catch (cause) {
          throw failure(seed, record, cause as Error);
        }
      }
    });
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 600_000);
});

/** What is no JSON is shown as it is. */
function failure(seed: number, record: unknown, cause: Error): Error {
  let kept: string;
  try {
    kept = asJsonFinding('records', record);
  } catch {
    kept = 'write a test for it';
  }
  return new Error(`${cause.message} with ${inspect(record)}; ${repeat(seed)}, and ${kept}`, { cause });
}

describe('InstanceTable, fuzzed', () => {
  it('holds what a plain map would, however it is written to', () => {
    const plan = fuzzPlan('instance table', VOLUME);
    const reached = new Reached(['put', 'refused', 'full', 'removed', 'renewed', 'lost']);
    const records = new RecordMaker();
    const dice = new Dice();
    const clock = new FakeClock();
    const startMs = performance.now();
    withoutStacks(() => {
      for (let run = 0, step = 0; step < plan.runs; run++) {
        const table = new InstanceTable({ ttlMs: 15_000, maxInstances: 20, clock });
        const expected = new Map<string, ServiceInstance>();
        const { draw } = dice.seed(plan.seed + run);
        for (let count = 0; count < 200; count++, step++) writeOnce(table, expected, records, draw, reached);
        compareTable(table, expected, plan.seed + run);
        clock.advance(60_000);
        if (table.stats().instances !== 0) throw new Error('instances outlive their leases');
        table.close();
        if (clock.pending !== 0) throw new Error('a timer is left');
      }
    });
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 600_000);
});

function keyOf({ namespaceId, groupName, serviceName, instanceId }: ServiceInstance): string {
  return JSON.stringify([namespaceId, groupName, serviceName, instanceId]);
}

function writeOnce(
  table: InstanceTable,
  expected: Map<string, ServiceInstance>,
  records: RecordMaker,
  draw: Draw,
  reached: Reached,
): void {
  const made = records.make(draw);
  const isObject = typeof made === 'object' && made !== null;
  const record = isObject && draw(2) ? { ...made, instanceId: `o${draw(30)}` } : made;
  const wanted = refusable(['INSTANCE_INVALID'], () => serviceInstance(init(record)));
  const owner = draw(4) === 0 ? table : undefined;
  if (draw(4) > 0 || !wanted) {
    const isFull = wanted && expected.size >= 20 && !expected.has(keyOf(wanted.value));
    const reasons = wanted ? (isFull ? ['REGISTRY_FULL'] : []) : ['INSTANCE_INVALID'];
    const put = refusable(reasons, () => table.upsert(record as ServiceInstance, owner));
    if ((put !== undefined) !== (wanted !== undefined && !isFull)) throw new Error('what has no room was taken');
    if (put && wanted) expected.set(keyOf(wanted.value), wanted.value);
    reached.count(put ? 'put' : isFull ? 'full' : 'refused');
    return;
  }
  const key = keyOf(wanted.value);
  if (draw(2)) {
    if (table.remove(wanted.value) !== expected.delete(key)) throw new Error('what is there was not removed');
    reached.count('removed');
  } else {
    const renewed = refusable(expected.has(key) ? [] : ['LEASE_LOST'], () => table.renew(wanted.value, owner));
    reached.count(renewed ? 'renewed' : 'lost');
  }
}

function compareTable(table: InstanceTable, expected: Map<string, ServiceInstance>, seed: number): void {
  const scopes = new Map(
    [...expected.values()].map((one) => [JSON.stringify([one.namespaceId, one.groupName, one.serviceName]), one]),
  );
  const found = [...scopes.values()].flatMap(({ serviceName, ...scope }) =>
    table.query(serviceName, { namespaceId: scope.namespaceId, groupName: scope.groupName }),
  );
  const byKey = (list: Iterable<ServiceInstance>) => new Map([...list].map((one) => [keyOf(one), one]));
  const isSame = isDeepStrictEqual(byKey(found), byKey(expected.values())) && table.stats().instances === expected.size;
  if (!isSame) throw new Error(`the table holds something else; ${repeat(seed)}`);
}

/** A file, or a line of one, and what may come of it. */
interface Stored {
  name: string;
  write(records: readonly ServiceInstance[]): Buffer;
  read(bytes: Buffer): unknown;
  isRefused(read: unknown): boolean;
  /** The file again, with a checksum that is right. */
  sealed(bytes: Buffer): Buffer;
}

const KEY = 'memory orders';
const HEADER_BYTES = 'rookery-snapshot 1 '.length + 64 + 1;
const STORED: Stored[] = [
  {
    name: 'snapshots',
    write: (records) => encodeSnapshot(KEY, 1_000, records),
    read: (bytes) => decodeSnapshot(bytes, KEY, 2_000, 10_000),
    isRefused: (read) => typeof read === 'string' && read.length < 200,
    sealed(bytes) {
      const body = bytes.subarray(Math.min(bytes.length, HEADER_BYTES));
      const sum = createHash('sha256').update(body).digest('hex');
      return Buffer.concat([Buffer.from(`rookery-snapshot 1 ${sum}\n`), body]);
    },
  },
  {
    name: 'journal',
    write: ([record]) => Buffer.from(journalLine({ put: record! }).slice(0, -1)),
    read: (bytes) => parseJournalLine(bytes),
    isRefused: (read) => read === undefined,
    sealed: (bytes) => bytes,
  },
];

describe.each(STORED)('Files of $name, fuzzed', ({ name, write, read, isRefused, sealed }) => {
  const good = serviceInstance(init(GOOD_RECORD));
  const more = serviceInstance({ ...good, instanceId: 'o2', port: 4_001, metadata: { note: 'é\u2028' }, tags: [] });
  const seeds = [write([good, more]), write([more])];
  const originals = seeds.map((bytes) => JSON.stringify(read(bytes)));

  function check(bytes: Buffer): 'taken' | 'refused' {
    const found = read(bytes);
    if (isRefused(found)) return 'refused';
    if (!originals.includes(JSON.stringify(found))) throw new Error('a damaged file was believed');
    return 'taken';
  }

  it.each(keptBytes(name))('do no harm with what once went wrong: $name', ({ content }) => {
    for (const bytes of content) expect(['taken', 'refused']).toContain(check(bytes));
  });

  it('are believed as they were written, and not otherwise; what was forged is checked like any list', () => {
    const plan = fuzzPlan(`files of ${name}`, VOLUME);
    const reached = new Reached(['taken', 'refused']);
    const bodies = new BodyMaker(seeds, JSON_TOKENS);
    const dice = new Dice();
    const filter = new RecordFilter('orders', POLICY, 100);
    const startMs = performance.now();
    for (let index = 0; index < plan.runs; index++) {
      const bytes = bodies.make(dice.seed(plan.seed + index).draw);
      try {
        reached.count(check(bytes));
        const forged = read(sealed(Buffer.from(bytes)));
        if (!isRefused(forged)) filter.apply((forged as { instances?: unknown[] }).instances ?? []);
      } catch (cause) {
        const how = `${repeat(plan.seed + index)}, and ${asFinding(name, [bytes])}`;
        throw new Error(`${(cause as Error).message}; ${how}`, { cause });
      }
    }
    report(plan, performance.now() - startMs, reached);
    assertPrototypesUntouched();
    if (plan.isWhole) expect(reached.missing).toEqual([]);
  }, 600_000);
});
