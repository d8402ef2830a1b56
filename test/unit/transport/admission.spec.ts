import { describe, expect, it } from 'vitest';

import { addressGroup, Admission, type Guest } from '../../../lib/transport/admission.js';

class Visitor implements Guest {
  error: Error | undefined;

  destroy(error?: Error): void {
    this.error = error;
  }
}

const LIMITS = { maxConnections: 10, maxConnectionsPerAddress: 4, maxUnauthenticated: 6 };

function enter(admission: Admission<Visitor>, address: string, count: number): Visitor[] {
  return Array.from({ length: count }, () => {
    const visitor = new Visitor();
    admission.enter(visitor, address);
    return visitor;
  });
}

describe('Admission', () => {
  it('has a limit in total', () => {
    const admission = new Admission<Visitor>(LIMITS);
    for (const address of ['a', 'b', 'c', 'd', 'e'])
      for (const visitor of enter(admission, address, 2)) admission.greeted(visitor);
    expect(admission.problem('f')).toMatchObject({ reason: 'TOO_MANY_CONNECTIONS' });
    expect(admission.problem('f')?.message).toContain('limits.maxConnections)');
  });

  it('has a limit per address, which frees itself', () => {
    const admission = new Admission<Visitor>(LIMITS);
    const visitors = enter(admission, 'a', 4);
    for (const visitor of visitors) admission.greeted(visitor);
    expect(admission.problem('a')?.message).toContain('limits.maxConnectionsPerAddress');
    expect(admission.problem('b')).toBeUndefined();
    admission.left(visitors[0]!);
    expect(admission.problem('a')).toBeUndefined();
  });

  it('turns out the oldest of an address that has half of the places of those who have not said who they are', () => {
    const admission = new Admission<Visitor>(LIMITS);
    const [elsewhere] = enter(admission, 'b', 1);
    const visitors = enter(admission, 'a', 4);
    expect(visitors.map(({ error }) => error !== undefined)).toEqual([true, false, false, false]);
    expect(elsewhere!.error).toBeUndefined();
  });

  it('turns out the oldest of all when all places are taken', () => {
    const admission = new Admission<Visitor>(LIMITS);
    const all = ['a', 'b', 'c', 'd'].flatMap((address) => enter(admission, address, 2));
    expect(all.map(({ error }) => error !== undefined)).toEqual([true, true, false, false, false, false, false, false]);
  });

  it('does not turn out who has said who he is', () => {
    const admission = new Admission<Visitor>(LIMITS);
    const [first] = enter(admission, 'a', 1);
    admission.greeted(first!);
    enter(admission, 'a', 4);
    expect(first!.error).toBeUndefined();
  });

  it('keeps nothing of those who have left, in whatever order', () => {
    const admission = new Admission<Visitor>(LIMITS);
    const visitors = ['a', 'b'].flatMap((address) => enter(admission, address, 4));
    for (const visitor of [...visitors, ...visitors]) admission.left(visitor);
    expect(admission.size).toBe(0);
    expect(enter(admission, 'a', 3).every(({ error }) => error === undefined)).toBe(true);
  });
});

describe('addressGroup', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:0:1::7', '2001:db8:0:1::/64'],
    ['2001:0db8::1:0:0:7', '2001:db8:0:0::/64'],
    ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, 'unix'],
  ])('of %s is %s', (ip, group) => {
    expect(addressGroup(ip)).toBe(group);
  });
});
