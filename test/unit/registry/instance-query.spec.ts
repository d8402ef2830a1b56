import { describe, expect, it } from 'vitest';

import { isServing, matchesQuery, resolutionOf } from '../../../lib/registry/instance-query.js';
import type { InstanceQuery } from '../../../lib/registry/service-registry.js';
import { someInstance } from './some-instance.js';

const instance = someInstance({
  clusterName: 'east',
  version: '2.0.0',
  tags: ['a', 'b'],
  metadata: { lane: 'blue', zone: 'z1' },
});

describe('matchesQuery', () => {
  it.each<InstanceQuery>([
    {},
    { clusterName: 'east' },
    { version: '2.0.0' },
    { tags: [] },
    { tags: ['b', 'a'] },
    { metadata: { lane: 'blue' } },
    { healthyOnly: true, namespaceId: 'public', groupName: 'default' },
  ])('is true for %j', (query) => {
    expect(matchesQuery(instance, query)).toBe(true);
  });

  it.each<InstanceQuery>([
    { clusterName: 'eas' },
    { version: '2.0' },
    { tags: ['a', 'c'] },
    { metadata: { lane: 'blue', zone: 'z2' } },
    { metadata: { toString: 'x' } },
    { namespaceId: 'blue' },
    { groupName: 'blue' },
  ])('is false for %j', (query) => {
    expect(matchesQuery(instance, query)).toBe(false);
  });
});

describe('isServing', () => {
  it.each([
    [{}, true],
    [{ healthy: false }, false],
    [{ enabled: false }, false],
    [{ status: 'starting' as const }, false],
    [{ status: 'draining' as const }, false],
    [{ weight: 0 }, true],
  ])('of %o is %s', (init, expected) => {
    expect(isServing(someInstance(init))).toBe(expected);
  });
});

describe('resolutionOf', () => {
  it('is found for a list, and absent for an empty one', () => {
    expect(resolutionOf([instance])).toEqual({ state: 'found', instances: [instance] });
    expect(resolutionOf([])).toEqual({ state: 'absent' });
  });
});
