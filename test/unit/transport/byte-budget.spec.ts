import { describe, expect, it } from 'vitest';

import type { RookeryError } from '../../../lib/core/errors.js';
import { ByteBudget, type ByteHolder } from '../../../lib/transport/byte-budget.js';

class Holder implements ByteHolder {
  error: RookeryError | undefined;

  shed(error: RookeryError): void {
    this.error = error;
  }
}

describe('ByteBudget', () => {
  it('cuts who has held some for the longest, and only as many as it takes', () => {
    const budget = new ByteBudget(100, 'things');
    const [first, second, third] = [new Holder(), new Holder(), new Holder()];
    budget.hold(first, 40);
    budget.hold(second, 60);
    budget.hold(third, 30);
    expect([first, second, third].map(({ error }) => error?.reason)).toEqual(['TOO_MANY_BYTES', undefined, undefined]);
    expect(first.error?.message).toContain('limits.maxBufferedBytes');
    expect(budget.heldBytes).toBe(90);
  });

  it('takes who let go of what he had for the latest', () => {
    const budget = new ByteBudget(100, 'things');
    const [first, second] = [new Holder(), new Holder()];
    budget.hold(first, 50);
    budget.hold(second, 50);
    budget.hold(first, 20, true);
    budget.hold(first, 60);
    expect([first.error, second.error?.reason]).toEqual([undefined, 'TOO_MANY_BYTES']);
  });

  it('cuts even the only one who holds too much', () => {
    const budget = new ByteBudget(100, 'things');
    const holder = new Holder();
    budget.hold(holder, 101);
    expect(holder.error?.reason).toBe('TOO_MANY_BYTES');
    expect(budget.heldBytes).toBe(0);
  });

  it('is empty when everybody has let go, also those who were cut', () => {
    const budget = new ByteBudget(100, 'things');
    const holders = [new Holder(), new Holder(), new Holder()];
    for (const holder of holders) budget.hold(holder, 60);
    for (const holder of holders) budget.hold(holder, 0);
    expect(budget.heldBytes).toBe(0);
  });
});
