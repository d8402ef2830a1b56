import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { BalancerFactory } from '../../../lib/balancing/balancer.js';
import { consistentHash } from '../../../lib/balancing/consistent-hash.js';
import { defaultBalancer } from '../../../lib/balancing/default-balancer.js';
import { leastActive } from '../../../lib/balancing/least-active.js';
import { withOutlierEjection } from '../../../lib/balancing/outlier-ejection.js';
import { p2cEwma } from '../../../lib/balancing/p2c-ewma.js';
import { random } from '../../../lib/balancing/random.js';
import { roundRobin } from '../../../lib/balancing/round-robin.js';
import { withSlowStart } from '../../../lib/balancing/slow-start.js';
import { withSubset } from '../../../lib/balancing/subset.js';
import { weightedRoundRobin } from '../../../lib/balancing/weighted-round-robin.js';
import { withZonePreference } from '../../../lib/balancing/zone-preference.js';
import { Client } from './support/fixture.js';
import { aStep, POOL, Walk } from './support/walk.js';

const BALANCERS: [string, BalancerFactory][] = [
  ['random', random()],
  ['roundRobin', roundRobin()],
  ['weightedRoundRobin', weightedRoundRobin()],
  ['leastActive', leastActive()],
  ['p2cEwma', p2cEwma()],
  ['consistentHash', consistentHash()],
  ['defaultBalancer', defaultBalancer()],
  ['withSlowStart(weightedRoundRobin)', withSlowStart(weightedRoundRobin())],
  [
    'withOutlierEjection(leastActive)',
    withOutlierEjection(leastActive(), { maxEjectedShare: 0.9, panicThreshold: 0.2 }),
  ],
  ['withSubset(withOutlierEjection(p2cEwma))', withSubset(withOutlierEjection(p2cEwma()), { size: 3 })],
  ['withOutlierEjection(consistentHash)', withOutlierEjection(consistentHash())],
  ['withZonePreference(roundRobin)', withZonePreference(roundRobin())],
];

describe.each(BALANCERS)('%s', (_, factory) => {
  it('picks only members, nobody excluded while another is left, and keeps its books right', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 80 }), fc.integer(), (steps, seed) => {
        const walk = new Walk(factory, seed);
        walk.do({ kind: 'update', members: POOL.map((_, index) => ({ index, weight: 1 })) });
        for (const step of steps) walk.do(step);
        walk.finish();
      }),
      { numRuns: 150 },
    );
  });

  it('starves nobody that serves as well as the others', () => {
    const client = new Client(factory).with(POOL.slice(0, 3));
    const counts: Record<string, number> = { e0: 0, e1: 0, e2: 0 };
    for (let calls = 0; calls < 3_000; calls++) {
      const endpoint = client.set.pick({ routingKey: `key-${calls}` })!;
      counts[endpoint.instanceId]!++;
      client.done(endpoint);
      client.clock.advance(1);
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(700);
  });
});
