import { beforeEach, describe, expect, it } from 'vitest';

import { TimerWheel } from '../../../lib/core/timer-wheel.js';
import { deadline } from '../../../lib/resilience/deadline.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { Bottom, failure, Heard, TestCall } from './support.js';

const TICK_MS = 10;

let clock: FakeClock;
let wheel: TimerWheel;
let bottom: Bottom;
let heard: Heard;
let call: TestCall;

beforeEach(() => {
  clock = new FakeClock();
  wheel = new TimerWheel(clock, TICK_MS);
  bottom = new Bottom();
  heard = new Heard();
  call = new TestCall(clock.now() + 500);
});

const start = () => deadline<TestCall>(wheel)(bottom.invoke)(call, heard);

describe('deadline', () => {
  it('ends a call at its time, at most a tick late, never early', () => {
    start();
    clock.advance(499);
    expect(heard.told).toEqual([]);
    clock.advance(1 + TICK_MS);
    expect(heard.told).toEqual(['fail DEADLINE_EXPIRED']);
    expect(bottom.last.cancelled).toBe('deadline');
  });

  it('says that a call was never sent, where it was not', () => {
    start();
    clock.advance(600);
    expect(heard.error).toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'never-sent', service: 'orders' });
    expect(heard.error!.message).toContain('orders.place');
  });

  it('says that the fate of one is unknown, where it was', () => {
    start();
    call.wasSent = true;
    clock.advance(600);
    expect(heard.error).toMatchObject({ outcome: 'unknown' });
  });

  it.each<[string, (replies: Heard) => void, string]>([
    ['a last value', (replies) => replies.last('done'), 'last done'],
    ['its end', (replies) => replies.complete(), 'complete'],
    ['a failure', (replies) => replies.fail(failure('SERVER_BUSY')), 'fail SERVER_BUSY'],
  ])('leaves a call alone that has heard %s', (_, answer, told) => {
    start();
    answer(bottom.last.replies as Heard);
    expect(wheel.size).toBe(0);
    clock.advance(5_000);
    expect(heard.told).toEqual([told]);
    expect(bottom.last.cancelled).toBeUndefined();
  });

  it('lets nothing through afterwards', () => {
    start();
    clock.advance(600);
    const { replies } = bottom.last;
    replies.next('late', 10);
    replies.last('late');
    replies.complete();
    replies.fail(failure());
    expect(heard.told).toEqual(['fail DEADLINE_EXPIRED']);
  });

  it('bounds a stream as a whole, not the time between its values', () => {
    start();
    for (let value = 0; value < 10; value++) {
      clock.advance(60);
      bottom.last.replies.next(value, 10);
    }
    expect(heard.told.at(-1)).toBe('fail DEADLINE_EXPIRED');
    expect(heard.told.length).toBeLessThan(11);
  });

  it('hands a cancellation down, once, and forgets the call', () => {
    const invocation = start();
    invocation.cancel('unsubscribed');
    expect(bottom.last.cancelled).toBe('unsubscribed');
    expect(wheel.size).toBe(0);
    bottom.last.cancelled = undefined;
    invocation.cancel('unsubscribed');
    expect(bottom.last.cancelled).toBeUndefined();
    clock.advance(5_000);
    expect(heard.told).toEqual([]);
  });

  it('gives room back to the layers below', () => {
    const invocation = start();
    invocation.release(42);
    expect(bottom.last.released).toBe(42);
  });

  describe('that was moved while the call is under way', () => {
    function move(toMs: number): void {
      call.deadlineAtMs = clock.now() + toMs;
      call.deadlineKeeper!.onDeadlineMoved();
    }

    it('counts as it stands now, later', () => {
      start();
      clock.advance(400);
      move(2_000);
      clock.advance(1_900);
      expect(heard.told).toEqual([]);
      clock.advance(100 + TICK_MS);
      expect(heard.told).toEqual(['fail DEADLINE_EXPIRED']);
    });

    it('counts as it stands now, sooner', () => {
      start();
      move(50);
      clock.advance(50 + TICK_MS);
      expect(heard.told).toEqual(['fail DEADLINE_EXPIRED']);
    });

    it('into the past ends it with the next tick', () => {
      start();
      move(-100);
      expect(heard.told).toEqual([]);
      clock.advance(TICK_MS);
      expect(heard.told).toEqual(['fail DEADLINE_EXPIRED']);
    });

    it('does not bring back a call that has ended', () => {
      start();
      bottom.last.replies.last('done');
      move(50);
      expect(wheel.size).toBe(0);
      clock.advance(1_000);
      expect(heard.told).toEqual(['last done']);
    });
  });

  it('of a call that ends before it is under way costs no timer', () => {
    bottom.answer = (replies) => replies.fail(failure('NO_INSTANCE'));
    start();
    expect(heard.told).toEqual(['fail NO_INSTANCE']);
    expect(wheel.size).toBe(0);
  });

  it('of ten thousand calls is one timer', () => {
    for (let started = 0; started < 10_000; started++) start();
    expect(wheel.size).toBe(10_000);
    expect(clock.pending).toBe(1);
  });
});
