import { describe, expect, it, vi } from 'vitest';

import { FakeClock } from '../../lib/testing/fake-clock.js';

describe('FakeClock', () => {
  it('stands still until it is moved', () => {
    const clock = new FakeClock();
    const before = clock.now();
    clock.advance(250);
    expect(clock.now() - before).toBe(250);
  });

  it('fires what falls due, in order of time and then of creation, at its own time', () => {
    const clock = new FakeClock(0);
    const fired: string[] = [];
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['b', 20],
      ['b2', 20],
      ['later', 31],
    ] as const) {
      clock.after(ms, () => fired.push(`${name}@${clock.now()}`));
    }
    clock.advance(30);
    expect(fired).toEqual(['a@10', 'b@20', 'b2@20', 'c@30']);
    expect([clock.pending, clock.nextDueMs]).toEqual([1, 31]);
  });

  it('fires what is scheduled meanwhile, if that falls due as well', () => {
    const clock = new FakeClock(0);
    const fired: number[] = [];
    const tick = () => {
      fired.push(clock.now());
      clock.after(10, tick);
    };
    clock.after(10, tick);
    clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
    expect(clock.now()).toBe(35);
  });

  it('does not fire what was cancelled, also by another timer of the same time', () => {
    const clock = new FakeClock();
    const callback = vi.fn();
    clock.after(10, () => other.cancel());
    const other = clock.after(10, callback);
    clock.after(10, callback).cancel();
    clock.advance(10);
    expect(callback).not.toHaveBeenCalled();
    expect(clock.pending).toBe(0);
  });

  it('lets promises settle between timers with advanceAsync', async () => {
    const clock = new FakeClock(0);
    const log: string[] = [];
    const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
    const walk = async () => {
      for (let step = 1; step <= 3; step++) {
        await sleep(10);
        log.push(`${step}@${clock.now()}`);
      }
    };
    const walking = walk();
    await clock.advanceAsync(30);
    expect(log).toEqual(['1@10', '2@20', '3@30']);
    await walking;
  });

  it('refuses to fire for ever', () => {
    const clock = new FakeClock();
    const again = () => void clock.after(0, again);
    again();
    expect(() => clock.advance(1)).toThrow(/re-arm/);
  });
});
