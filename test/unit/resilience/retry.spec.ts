import { beforeEach, describe, expect, it } from 'vitest';

import { ERROR_CATALOGUE, type Reason } from '../../../lib/core/errors.js';
import type { Outcome } from '../../../lib/core/outcome.js';
import { retry, type RetryOptions } from '../../../lib/resilience/retry.js';
import { FakeClock } from '../../../lib/testing/fake-clock.js';
import { Bottom, failure, Heard, TestCall } from './support.js';

let clock: FakeClock;
let bottom: Bottom;
let heard: Heard;
let call: TestCall;

beforeEach(() => {
  clock = new FakeClock();
  bottom = new Bottom();
  heard = new Heard();
  call = new TestCall(clock.now() + 60_000);
});

/** Of full jitter half the longest wait. */
const start = (options: RetryOptions = {}) => retry<TestCall>(options, clock, () => 0.5)(bottom.invoke)(call, heard);

describe('retry', () => {
  it.each<[Outcome, boolean, boolean]>([
    ['never-sent', false, true],
    ['never-sent', true, true],
    ['refused', false, true],
    ['refused', true, true],
    ['unknown', false, false],
    ['unknown', true, true],
    ['handled', false, false],
    ['handled', true, false],
  ])('of a call with the outcome "%s", idempotent %s: %s', (outcome, isIdempotent, isRepeated) => {
    call.isIdempotent = isIdempotent;
    start();
    bottom.last.replies.fail(failure('CONNECTION_LOST', outcome));
    expect(bottom.attempts).toHaveLength(isRepeated ? 2 : 1);
    expect(heard.told).toEqual(isRepeated ? [] : ['fail CONNECTION_LOST']);
  });

  const WORTH_IT: Reason[] = [
    'CONNECT_FAILED',
    'HANDSHAKE_FAILED',
    'WRONG_INSTANCE',
    'CONNECTION_LOST',
    'PEER_DRAINING',
    'SERVER_BUSY',
  ];

  it.each(Object.keys(ERROR_CATALOGUE) as Reason[])('after %s only where another instance may do better', (reason) => {
    start();
    bottom.last.replies.fail(failure(reason, 'never-sent'));
    expect(bottom.attempts.length).toBe(WORTH_IT.includes(reason) ? 2 : 1);
  });

  it('brings what a later attempt answers', () => {
    start();
    bottom.last.replies.fail(failure('PEER_DRAINING'));
    bottom.last.replies.last('done');
    expect(heard.told).toEqual(['last done']);
    expect(call.attempts).toBe(2);
  });

  it('makes as many attempts as it may, and then tells the last failure', () => {
    start();
    for (const reason of ['SERVER_BUSY', 'PEER_DRAINING', 'CONNECT_FAILED'] as const)
      bottom.last.replies.fail(failure(reason));
    expect(bottom.attempts).toHaveLength(3);
    expect(heard.told).toEqual(['fail CONNECT_FAILED']);
  });

  it.each([1, 2, 5])('takes the number of attempts from its options: %i', (attempts) => {
    start({ attempts });
    for (let failed = 0; failed < attempts; failed++) bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(bottom.attempts).toHaveLength(attempts);
    expect(heard.told).toEqual(['fail SERVER_BUSY']);
  });

  it('never repeats a stream of which the caller has seen something', () => {
    call.isIdempotent = true;
    start();
    bottom.last.replies.next('one', 20);
    bottom.last.replies.fail(failure());
    expect(heard.told).toEqual(['next one (20)', 'fail CONNECTION_LOST']);
    expect(bottom.attempts).toHaveLength(1);
  });

  it('tries an untried instance at once, and waits before it tries one again', () => {
    start();
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(bottom.attempts).toHaveLength(2);
    call.hasUntriedInstance = false;
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(bottom.attempts).toHaveLength(2);
    clock.advance(99);
    expect(bottom.attempts).toHaveLength(2);
    clock.advance(1);
    expect(bottom.attempts).toHaveLength(3);
  });

  it('does not wait for an attempt that would come after the deadline', () => {
    call.hasUntriedInstance = false;
    call.deadlineAtMs = clock.now() + 50;
    start();
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(heard.told).toEqual(['fail SERVER_BUSY']);
    expect(clock.pending).toBe(0);
  });

  it('makes none at the deadline, not even at once', () => {
    start();
    clock.advance(60_000);
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(bottom.attempts).toHaveLength(1);
  });

  it('makes none without a budget for it', () => {
    const layer = retry<TestCall>({ budget: { ratio: 0, minPerSecond: 0.1 } }, clock, () => 0.5)(bottom.invoke);
    layer(call, heard);
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    expect(bottom.attempts).toHaveLength(2);
    expect(heard.told).toEqual(['fail SERVER_BUSY']);
  });

  it('shares one budget among all calls of a client', () => {
    const layer = retry<TestCall>(
      { attempts: 2, budget: { ratio: 0, minPerSecond: 0.3 } },
      clock,
      () => 0.5,
    )(bottom.invoke);
    for (let made = 0; made < 10; made++) {
      layer(new TestCall(clock.now() + 1_000), heard);
      bottom.last.replies.fail(failure('SERVER_BUSY'));
    }
    expect(bottom.attempts).toHaveLength(10 + 3);
  });

  describe('when the caller cancels', () => {
    it('cancels the attempt under way', () => {
      const invocation = start();
      bottom.last.replies.fail(failure('SERVER_BUSY'));
      invocation.cancel('unsubscribed');
      expect(bottom.attempts.map(({ cancelled }) => cancelled)).toEqual([undefined, 'unsubscribed']);
    });

    it('makes no attempt that was waiting', () => {
      call.hasUntriedInstance = false;
      const invocation = start();
      bottom.last.replies.fail(failure('SERVER_BUSY'));
      invocation.cancel('deadline');
      clock.advance(10_000);
      expect(bottom.attempts).toHaveLength(1);
      expect(clock.pending).toBe(0);
    });

    it('cancels the newest attempt, also where earlier ones failed before they had begun', () => {
      bottom.answer = (replies, attempt) => {
        if (attempt < 3) replies.fail(failure('CONNECT_FAILED'));
      };
      const invocation = start();
      invocation.cancel('unsubscribed');
      expect(bottom.attempts.map(({ cancelled }) => cancelled)).toEqual([undefined, undefined, 'unsubscribed']);
    });

    it('cancels the attempt made after a wait, also where the one before failed at once', () => {
      call.hasUntriedInstance = false;
      bottom.answer = (replies, attempt) => {
        if (attempt === 1) replies.fail(failure('CONNECT_FAILED'));
      };
      const invocation = start();
      clock.advance(1_000);
      expect(bottom.attempts).toHaveLength(2);
      invocation.cancel('deadline');
      expect(bottom.attempts.map(({ cancelled }) => cancelled)).toEqual([undefined, 'deadline']);
    });
  });

  it('gives a stream’s room back to the attempt that carries it', () => {
    const invocation = start();
    bottom.last.replies.fail(failure('SERVER_BUSY'));
    bottom.last.replies.next('one', 20);
    invocation.release(20);
    expect(bottom.attempts.map(({ released }) => released)).toEqual([0, 20]);
  });
});
