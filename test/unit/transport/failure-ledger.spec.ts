import { describe, expect, it } from 'vitest';

import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { FailureLedger } from '../../../lib/transport/failure-ledger.js';

const MINUTE_MS = 60_000;

function failures(ledger: FailureLedger, count: number, address = '10.0.0.1'): number[] {
  return Array.from({ length: count }, () => ledger.note(address));
}

describe('FailureLedger', () => {
  it('answers ten failures at once, and each further one twice as late, up to two seconds', () => {
    const delays = failures(new FailureLedger(new FakeClock()), 18);
    expect(delays.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(delays.slice(10)).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
  });

  it('does not hold one address’s failures against another', () => {
    const ledger = new FailureLedger(new FakeClock());
    failures(ledger, 100);
    expect(ledger.note('10.0.0.2')).toBe(0);
  });

  it('forgives one failure every six seconds, so that an address that stops is clean after two minutes at most', () => {
    const clock = new FakeClock();
    const ledger = new FailureLedger(clock);
    failures(ledger, 1_000);
    clock.advance(6_000 * 2);
    expect(ledger.note('10.0.0.1')).toBe(2_000);
    clock.advance(2 * MINUTE_MS);
    expect(failures(ledger, 11)).toEqual([...Array.from({ length: 10 }, () => 0), 100]);
  });

  it('remembers ten thousand addresses, and forgets the one that failed longest ago', () => {
    const ledger = new FailureLedger(new FakeClock());
    failures(ledger, 11, 'first');
    for (let index = 0; index < 10_000; index++) ledger.note(`address ${index}`);
    expect(ledger.size).toBe(10_000);
    expect(ledger.note('first')).toBe(0);
  });
});
