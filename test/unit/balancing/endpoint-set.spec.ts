import { describe, expect, it } from 'vitest';

import { EndpointSet } from '../../../lib/balancing/endpoint-set.js';
import { Endpoint } from '../../../lib/balancing/endpoint.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { Client, instance, instances, RecordingBalancer } from './support/fixture.js';

function client() {
  const balancer = new RecordingBalancer();
  return { ...{ balancer }, client: new Client(() => balancer) };
}

const names = ({ set }: Client) => set.endpoints.map((endpoint) => endpoint.instanceId);

describe('what a registry lists', () => {
  it('becomes the members, in its order', () => {
    const { client: it } = client();
    it.with(instances([1, 1, 1]));
    expect(names(it)).toEqual(['a', 'b', 'c']);
    expect(it.set.size).toBe(3);
  });

  it('keeps an endpoint that is still listed, with its statistics and its new record', () => {
    const { client: it } = client();
    it.with(instances([1]));
    const endpoint = it.get('a');
    it.call('success', 40);
    it.clock.advance(500);
    it.with([instance('a', { weight: 7, metadata: { version: '2' } })]);
    expect(it.get('a')).toBe(endpoint);
    expect(endpoint.latency.value).toBe(40);
    expect(endpoint.weight).toBe(7);
    expect(endpoint.instance.metadata).toEqual({ version: '2' });
    expect(it.removed).toEqual([]);
  });

  it('leaves who stays in place, and adds who is new at the end', () => {
    const { client: it } = client();
    it.with(instances([1, 1, 1])).with([instance('d'), instance('c'), instance('a')]);
    expect(names(it)).toEqual(['a', 'c', 'd']);
    expect(it.removed.map((endpoint) => endpoint.instanceId)).toEqual(['b']);
  });

  it('is another endpoint where the address under an id has changed', () => {
    const { client: it } = client();
    it.with([instance('a'), instance('b')]);
    const [a, b] = [it.get('a'), it.get('b')];
    it.with([instance('a', { port: 4001 }), instance('b', { ip: 'elsewhere.test' })]);
    expect(it.get('a')).not.toBe(a);
    expect(it.get('b')).not.toBe(b);
    expect(it.removed).toEqual([a, b]);
  });

  it('counts the later of two records with one id', () => {
    const { client: it } = client();
    it.with([instance('a', { weight: 1 }), instance('b'), instance('a', { weight: 2 })]);
    expect(names(it)).toEqual(['b', 'a']);
    expect(it.get('a').weight).toBe(2);
  });

  it('counts the later of two ids at one address, whichever was known before', () => {
    const { client: it } = client();
    const [before, after] = [instance('before', { ip: 'x.test' }), instance('after', { ip: 'x.test' })];
    it.with([before]).with([before, after]);
    expect(names(it)).toEqual(['after']);
    it.with([before, after]);
    expect(names(it)).toEqual(['after']);
  });

  it('does not take the address of a record that a later one of the same id replaced', () => {
    const { client: it } = client();
    it.with([instance('b', { ip: 'x.test' }), instance('a', { ip: 'x.test' }), instance('a', { ip: 'y.test' })]);
    expect(names(it).toSorted()).toEqual(['a', 'b']);
  });

  it('tells a new endpoint when it was first seen', () => {
    const { client: it } = client();
    it.with([instance('a')]);
    it.clock.advance(250);
    it.with([instance('a'), instance('b')]);
    expect(it.get('b').addedAtMs - it.get('a').addedAtMs).toBe(250);
  });
});

describe('what the balancer is shown', () => {
  it('is told once, at the next pick, however much has changed', () => {
    const { client: it, balancer } = client();
    it.with(instances(Array.from({ length: 100 }, () => 1)));
    it.pick();
    for (const endpoint of it.set.endpoints.slice(1)) it.set.setReachable(endpoint, false);
    it.pick();
    it.pick();
    expect(balancer.lists.map((list) => list.length)).toEqual([100, 1]);
  });

  it('is not told of what did not change', () => {
    const { client: it, balancer } = client();
    it.with(instances([1, 1]));
    it.pick();
    it.set.setReachable(it.get('a'), true);
    it.pick();
    expect(balancer.lists).toHaveLength(1);
  });

  it('leaves out who cannot be reached, until it can', () => {
    const { client: it, balancer } = client();
    it.with(instances([1, 1, 1]));
    it.set.setReachable(it.get('b'), false);
    it.pick();
    expect(balancer.list).toEqual(['a', 'c']);
    it.set.setReachable(it.get('b'), true);
    it.pick();
    expect(balancer.list).toEqual(['a', 'b', 'c']);
  });

  it('is everybody where nobody can be reached', () => {
    const { client: it, balancer } = client();
    it.with(instances([1, 1]));
    for (const endpoint of it.set.endpoints) it.set.setReachable(endpoint, false);
    expect(it.pick()).toBe('a');
    expect(balancer.list).toEqual(['a', 'b']);
  });

  it('leaves out weight 0, even where nobody else can be reached', () => {
    const { client: it, balancer } = client();
    it.with(instances([0, 1, 1]));
    it.set.setReachable(it.get('b'), false);
    it.set.setReachable(it.get('c'), false);
    it.pick();
    expect(balancer.list).toEqual(['b', 'c']);
    expect(it.set.size).toBe(3);
  });
});

describe('a call that failed at everybody who can be reached', () => {
  it('gets who could not, the one first whose last trial is longest ago', () => {
    const { client: it } = client();
    it.with(instances([1, 1, 1, 0]));
    const [a, b, c] = it.set.endpoints;
    it.set.setReachable(b!, false);
    it.set.setReachable(c!, false);
    b!.pickedAtMs = it.clock.now() - 10;
    expect(it.pick([a!])).toBe('c');
    expect(it.pick([a!, c!])).toBe('b');
    expect(it.pick([a!, b!, c!])).toBeUndefined();
    expect(it.set.pickableCount).toBe(3);
  });
});

describe('a pick', () => {
  it('is undefined of an empty set, and of one where all have weight 0', () => {
    const { client: it } = client();
    expect(it.pick()).toBeUndefined();
    it.with(instances([0, 0]));
    expect(it.pick()).toBeUndefined();
    expect(it.set.size).toBe(2);
  });

  it('counts as in flight until it is done, and leaves its time', () => {
    const { client: it } = client();
    it.with(instances([1]));
    it.clock.advance(50);
    const endpoint = it.set.pick({})!;
    it.set.pick({});
    expect(endpoint.inFlight).toBe(2);
    expect(endpoint.pickedAtMs).toBe(it.clock.now());
    it.done(endpoint);
    expect(endpoint.inFlight).toBe(1);
  });

  it('can be done after its endpoint has left', () => {
    const { client: it, balancer } = client();
    it.with(instances([1]));
    const endpoint = it.set.pick({})!;
    it.with([]);
    expect(it.removed).toEqual([endpoint]);
    it.done(endpoint, 'failure');
    expect(endpoint.inFlight).toBe(0);
    expect(balancer.observed).toEqual(['a failure']);
  });

  it('reads the clock once', () => {
    let readings = 0;
    const clock = new FakeClock();
    const set = new EndpointSet({
      balancer: new RecordingBalancer(),
      clock: { now: () => (readings++, clock.now()), after: (ms, callback) => clock.after(ms, callback) },
      createEndpoint: (it, nowMs) => new Endpoint(it, nowMs),
    });
    set.update(instances([1]));
    set.pick({});
    readings = 0;
    set.pick({});
    expect(readings).toBe(1);
  });
});

describe('what a call teaches', () => {
  it('is its latency, where it succeeded', () => {
    const { client: it } = client();
    it.with(instances([1])).call('success', 12);
    expect(it.get('a').latency.value).toBe(12);
  });

  it('is never a lower latency, where it failed', () => {
    const { client: it } = client();
    it.with(instances([1])).call('failure', 0.1);
    expect(it.get('a').latency.hasSamples).toBe(false);
    it.call('success', 20);
    it.clock.advance(60_000);
    it.call('failure', 0.1);
    expect(it.get('a').latency.value).toBe(20);
    it.call('failure', 5_000);
    expect(it.get('a').latency.value).toBe(5_000);
  });

  it('is nothing, where it was cancelled', () => {
    const { client: it } = client();
    it.with(instances([1])).call('failure');
    it.call('cancelled', 900);
    expect(it.get('a').latency.hasSamples).toBe(false);
    expect(it.get('a').consecutiveFailures).toBe(1);
  });

  it('is how many failed since the last success', () => {
    const { client: it } = client();
    it.with(instances([1])).calls(3, 'failure');
    expect(it.get('a').consecutiveFailures).toBe(3);
    it.call('success');
    expect(it.get('a').consecutiveFailures).toBe(0);
  });
});

it('removes everybody and closes the balancer when it is closed', () => {
  const { client: it, balancer } = client();
  it.with(instances([1, 1]));
  it.set.close();
  expect(it.removed).toHaveLength(2);
  expect(balancer.isClosed).toBe(true);
  expect(balancer.list).toEqual([]);
  expect(it.pick()).toBeUndefined();
});
