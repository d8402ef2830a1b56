import { expect, it } from 'vitest';

import type { Endpoint } from '../../../lib/balancing/endpoint.js';
import { Narrowing } from '../../../lib/balancing/narrowing.js';
import { seededRng } from '../../../lib/core/random.js';
import { misfit } from './support/chi-square.js';
import { endpoints, RecordingBalancer } from './support/fixture.js';

/** Shows the first two. */
class FirstTwo extends Narrowing {
  protected choose(members: readonly Endpoint[]): readonly Endpoint[] {
    return members.slice(0, 2);
  }
}

function firstTwoOf(members: readonly Endpoint[]) {
  const inner = new RecordingBalancer();
  const balancer = new FirstTwo(inner, seededRng(3));
  balancer.update(members);
  return { inner, balancer };
}

it('shows the inner balancer those that were chosen', () => {
  expect(firstTwoOf(endpoints([1, 1, 1])).inner.list).toEqual(['a', 'b']);
});

it('picks what the inner balancer picks while that finds somebody', () => {
  const members = endpoints([1, 1, 1]);
  const { balancer } = firstTwoOf(members);
  expect(balancer.pick({}, 0)).toBe(members[0]);
  expect(balancer.pick({ excluded: [members[0]!] }, 0)).toBe(members[1]);
});

it('picks from the rest by weight for a call that excludes all that were chosen', () => {
  const members = endpoints([1, 1, 3, 1]);
  const { balancer } = firstTwoOf(members);
  const counts = [0, 0, 0, 0];
  for (let calls = 0; calls < 10_000; calls++) {
    counts[members.indexOf(balancer.pick({ excluded: members.slice(0, 2) }, 0)!)]!++;
  }
  expect(counts.slice(0, 2)).toEqual([0, 0]);
  expect(misfit(counts.slice(2), [3, 1])).toBeLessThan(1);
});

it('picks nobody where nobody is left', () => {
  const members = endpoints([1, 1, 1]);
  expect(firstTwoOf(members).balancer.pick({ excluded: members }, 0)).toBeUndefined();
  expect(firstTwoOf([]).balancer.pick({}, 0)).toBeUndefined();
});
