import { describe, expect, it } from 'vitest';

import { FairShare } from '../../../lib/transport/fair-share.js';

/** Takes one by one until it is told that there is no more. */
function takeAll(share: FairShare, own = 0): number {
  let count = own;
  while (share.take(count, 1)) count++;
  return count;
}

describe('FairShare', () => {
  it('gives everything to one who is alone', () => {
    expect(takeAll(new FairShare(10))).toBe(10);
  });

  it.each([2, 8, 100])('leaves something for whoever comes next, however much %i others want', (others) => {
    const share = new FairShare(8_192);
    const own = Array.from({ length: others }, () => 0);
    for (let turn = 0; turn < 20_000; turn++) if (share.take(own[turn % others]!, 1)) own[turn % others]!++;
    expect(share.taken).toBeLessThan(8_192);
    expect(share.take(0, 1)).toBe(true);
  });

  it('gives those who share it nearly all of it', () => {
    const share = new FairShare(1_000);
    const own = [0, 0];
    for (let turn = 0; turn < 2_000; turn++) if (share.take(own[turn % 2]!, 1)) own[turn % 2]!++;
    expect(share.taken).toBeGreaterThan(850);
    expect(Math.abs(own[0]! - own[1]!)).toBeLessThanOrEqual(1);
  });

  it('gives what is larger than all there is only where nobody else has any', () => {
    const share = new FairShare(100);
    expect(share.take(0, 500)).toBe(true);
    expect(share.take(0, 1)).toBe(false);
    share.free(500);
    expect([share.take(0, 60), share.take(0, 500)]).toEqual([true, false]);
    share.free(60);
    expect(share.taken).toBe(0);
  });
});
