import { describe, expect, it } from 'vitest';

import { RegistryError } from '../../../lib/core/errors.js';
import { joinErrors, mergeResolutions, Part, type MergeMode } from '../../../lib/registry/merge-resolutions.js';
import type { Resolution } from '../../../lib/registry/service-registry.js';
import { idsOf, someInstance } from './some-instance.js';

const pending: Resolution = { state: 'pending' };
const absent: Resolution = { state: 'absent' };
const failed: Resolution = { state: 'failed', error: new RegistryError('REGISTRY_UNREACHABLE', 'away') };
const found = (...ids: string[]): Resolution => ({
  state: 'found',
  instances: ids.map((instanceId) => someInstance({ instanceId })),
});

/** What each registry said, in order; what they say together, in `union` and in `first` mode. */
const CASES: [what: string, parts: Resolution[][], union: string, first: string][] = [
  ['nobody has answered', [[], []], 'pending', 'pending'],
  ['one says absent, one has not answered', [[absent], []], 'pending', 'pending'],
  ['one failed, one has not answered', [[failed], []], 'pending', 'pending'],
  ['both say absent', [[absent], [absent]], 'absent', 'absent'],
  ['both failed', [[failed], [failed]], 'failed', 'failed'],
  ['one says absent, one failed', [[absent], [failed]], 'failed', 'failed'],
  ['one failed, one says absent', [[failed], [absent]], 'failed', 'failed'],
  ['one found, one has not answered', [[found('a')], []], 'a', 'a'],
  ['one has not answered, one found', [[], [found('b')]], 'b', 'pending'],
  ['one found, one says absent', [[found('a')], [absent]], 'a', 'a'],
  ['one says absent, one found', [[absent], [found('b')]], 'b', 'b'],
  ['one found, one failed', [[found('a')], [failed]], 'a', 'a'],
  ['one failed, one found', [[failed], [found('b')]], 'b', 'b'],
  ['both found', [[found('a', 'x')], [found('x', 'b')]], 'a x b', 'a x'],
  ['one found, then failed', [[found('a'), failed], [found('b')]], 'b a', 'a'],
  ['one found, then failed, the other absent', [[found('a'), failed], [absent]], 'a', 'a'],
  [
    'both found, then failed',
    [
      [found('a'), failed],
      [found('b'), failed],
    ],
    'failed',
    'failed',
  ],
  ['one was absent, then failed', [[absent, failed], [absent]], 'failed', 'failed'],
  ['one found, failed, and is absent now', [[found('a'), failed, absent], [found('b')]], 'b', 'b'],
  ['one found, and is asking again', [[found('a'), pending], [absent]], 'a', 'a'],
  ['one failed, and is asking again', [[failed, pending], [failed]], 'failed', 'failed'],
];

describe('mergeResolutions', () => {
  it.each(CASES)('where %s', (_, parts, union, first) => {
    expect(summary(mergeResolutions(parts.map(said), 'union'))).toBe(union);
    expect(summary(mergeResolutions(parts.map(said), 'first'))).toBe(first);
  });

  it.each<MergeMode>(['union', 'first'])('is what one registry says where there is one (%s)', (mode) => {
    for (const resolution of [pending, absent, failed, found('a')]) {
      expect(mergeResolutions([said([resolution])], mode)).toEqual(resolution);
    }
  });

  it('takes the record of the first registry that knows an instance', () => {
    const records = [1, 2].map((weight) => someInstance({ instanceId: 'x', weight }));
    const parts = records.map((record) => said([{ state: 'found', instances: [record] }]));
    expect(mergeResolutions(parts)).toEqual({ state: 'found', instances: [records[0]] });
  });

  it('takes the record of a registry that answers before that of one that failed', () => {
    const records = [1, 2].map((weight) => someInstance({ instanceId: 'x', weight }));
    const [stale, fresh] = records.map((record): Resolution => ({ state: 'found', instances: [record] }));
    expect(mergeResolutions([said([stale!, failed]), said([fresh!])])).toEqual({
      state: 'found',
      instances: [records[1]],
    });
  });
});

describe('joinErrors', () => {
  it('keeps the first reason, all messages, and all errors as the cause', () => {
    const errors = [new RegistryError('REGISTRY_DENIED', 'one'), new RegistryError('REGISTRY_UNREACHABLE', 'two')];
    const joined = joinErrors(errors);
    expect(joined).toMatchObject({ reason: 'REGISTRY_DENIED', message: 'one; two' });
    expect((joined.cause as AggregateError).errors).toEqual(errors);
  });

  it('leaves a single one as it is', () => {
    const error = new RegistryError('LEASE_LOST', 'one');
    expect(joinErrors([error])).toBe(error);
  });
});

function said(resolutions: Resolution[]): Part {
  const part = new Part();
  for (const resolution of resolutions) part.hear(resolution);
  return part;
}

function summary(resolution: Resolution): string {
  return resolution.state === 'found' ? idsOf(resolution.instances).join(' ') : resolution.state;
}
