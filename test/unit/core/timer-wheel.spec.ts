import { beforeEach, describe, expect, it, vi } from 'vitest';

import { seededRng } from '../../../lib/core/random.js';
import { TimerWheel, WheelEntry } from '../../../lib/core/timer-wheel.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';

const TICK_MS = 10;
const SLOTS = 512;

describe('TimerWheel', () => {
  let clock: FakeClock;
  let wheel: TimerWheel;
  let expired: string[];

  beforeEach(() => {
    clock = new FakeClock();
    wheel = new TimerWheel(clock, TICK_MS);
    expired = [];
  });

  const entry = (name: string, then: () => void = () => {}) => new TestEntry(name, expired, then);

  it('expires an entry at its time, at most a tick late, never early', () => {
    wheel.add(entry('a'), clock.now() + 25);
    clock.advance(24);
    expect(expired).toEqual([]);
    clock.advance(6);
    expect(expired).toEqual(['a']);
    expect(wheel.size).toBe(0);
  });

  it('expires what is past at the next tick', () => {
    wheel.add(entry('a'), clock.now() - 5_000);
    expect(expired).toEqual([]);
    clock.advance(TICK_MS);
    expect(expired).toEqual(['a']);
  });

  it('keeps entries beyond one turn of the wheel until their time', () => {
    const turnMs = TICK_MS * SLOTS;
    wheel.add(entry('next turn'), clock.now() + turnMs + 50);
    wheel.add(entry('this turn'), clock.now() + 50);
    clock.advance(100);
    expect(expired).toEqual(['this turn']);
    clock.advance(turnMs - 60);
    expect(expired).toEqual(['this turn']);
    clock.advance(60);
    expect(expired).toEqual(['this turn', 'next turn']);
  });

  it('does not expire what was removed, and takes a removal twice', () => {
    const one = entry('a');
    wheel.add(one, clock.now() + 50);
    wheel.remove(one);
    wheel.remove(one);
    clock.advance(1_000);
    expect(expired).toEqual([]);
    expect(wheel.size).toBe(0);
  });

  it('moves an entry that is added again', () => {
    const one = entry('a');
    wheel.add(one, clock.now() + 50);
    wheel.add(one, clock.now() + 500);
    expect(wheel.size).toBe(1);
    clock.advance(490);
    expect(expired).toEqual([]);
    clock.advance(20);
    expect(expired).toEqual(['a']);
  });

  it('runs one timer while something waits, and none after', () => {
    expect(clock.pending).toBe(0);
    for (let at = 0; at < 100; at++) wheel.add(entry(`${at}`), clock.now() + at * 7);
    expect(clock.pending).toBe(1);
    clock.advance(1_000);
    expect(clock.pending).toBe(0);
    expect(expired).toHaveLength(100);
    wheel.add(entry('again'), clock.now() + 50);
    clock.advance(60);
    expect(expired).toHaveLength(101);
  });

  it('lets an entry add itself, remove others and add others when it expires', () => {
    const victim = entry('victim');
    let turns = 0;
    const again: TestEntry = entry('again', () => {
      wheel.remove(victim);
      wheel.add(entry('late'), clock.now());
      if (++turns < 3) wheel.add(again, clock.now() + 50);
    });
    const at = clock.now() + 50;
    wheel.add(again, at);
    wheel.add(victim, at);
    clock.advance(1_000);
    expect(expired).toEqual(['again', 'late', 'again', 'late', 'again', 'late']);
    expect(wheel.size).toBe(0);
  });

  it('goes on with the others after one has thrown, which is nobody’s fault but its own', async () => {
    const uncaught = vi.fn();
    const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
      try {
        task();
      } catch (error) {
        uncaught(error);
      }
    });
    const at = clock.now() + 50;
    wheel.add(
      entry('bad', () => {
        throw new Error('mine');
      }),
      at,
    );
    wheel.add(entry('good'), at);
    wheel.add(entry('later'), at + 100);
    clock.advance(200);
    queue.mockRestore();
    expect(expired).toEqual(['bad', 'good', 'later']);
    expect(uncaught).toHaveBeenCalledOnce();
    expect(clock.pending).toBe(0);
  });

  it('catches up after a pause longer than a turn', () => {
    const late = new TimerWheel(jumpy(clock), TICK_MS);
    for (const ms of [50, 5_000, 9_000, 60_000]) late.add(entry(`${ms}`), ms);
    jump = 20_000;
    clock.advance(50);
    expect(expired.toSorted()).toEqual(['50', '5000', '9000'].toSorted());
    expect(late.size).toBe(1);
  });

  it('agrees with a sorted list, whatever is added and removed', () => {
    const rng = seededRng(20_240_601);
    const waiting = new Map<TestEntry, number>();
    for (let step = 0; step < 5_000; step++) {
      const draw = rng();
      const [first] = waiting.keys();
      if (draw < 0.5) {
        const dueMs = clock.now() + Math.floor(rng() * 12_000);
        const one = entry(`${dueMs}`, () => {
          expect(clock.now()).toBeGreaterThanOrEqual(dueMs);
          expect(clock.now()).toBeLessThanOrEqual(dueMs + 2 * TICK_MS);
          waiting.delete(one);
        });
        waiting.set(one, dueMs);
        wheel.add(one, dueMs);
      } else if (draw < 0.6 && first) {
        wheel.remove(first);
        waiting.delete(first);
      } else {
        clock.advance(Math.floor(rng() * 50));
      }
      expect(wheel.size).toBe(waiting.size);
    }
    clock.advance(20_000);
    expect([wheel.size, waiting.size, clock.pending]).toEqual([0, 0, 0]);
  });
});

class TestEntry extends WheelEntry {
  constructor(
    private readonly name: string,
    private readonly expired: string[],
    private readonly then: () => void,
  ) {
    super();
  }

  onExpired(): void {
    this.expired.push(this.name);
    this.then();
  }
}

/** Milliseconds that a clock has jumped ahead without firing anything: the process was stopped. */
let jump = 0;

function jumpy(clock: FakeClock) {
  jump = -1_000;
  return { now: () => clock.now() + jump, after: clock.after.bind(clock) };
}
