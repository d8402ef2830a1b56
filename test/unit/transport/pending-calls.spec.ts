import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { PendingCalls, type PendingCall } from '../../../lib/transport/pending-calls.js';
import { MAX_CALL_ID } from '../../../lib/wire/frame.js';

class TestCall implements PendingCall {
  callId = 0;
  failures: string[] = [];
  next(): void {}
  last(): void {}
  complete(): void {}
  fail(error: RookeryError): void {
    this.failures.push(error.message);
  }
}

const lost = (id: number) => new RookeryError('CONNECTION_LOST', `lost ${id}`);

/** The table as it is after so many calls: nobody waits for four billion. */
function after(lastId: number, calls: PendingCalls): PendingCalls {
  (calls as unknown as { lastId: number }).lastId = lastId;
  return calls;
}

describe('PendingCalls', () => {
  it('gives ids that count up from 1', () => {
    const calls = new PendingCalls(10);
    expect([1, 2, 3].map(() => calls.add(new TestCall()))).toEqual([1, 2, 3]);
    expect(calls.size).toBe(3);
  });

  it('finds a call by its id, and by no other that falls into the same place', () => {
    const calls = new PendingCalls(3);
    const call = new TestCall();
    calls.add(call);
    expect(calls.get(1)).toBe(call);
    for (const id of [0, 2, 5, 9, 17, 1 + 2 ** 20, MAX_CALL_ID]) expect(calls.get(id)).toBeUndefined();
  });

  it('finds every call while the table grows to its capacity, with long-lived ones in it', () => {
    const calls = new PendingCalls(5_000);
    const standing: TestCall[] = [];
    for (let added = 0; !calls.isFull; added++) {
      const call = new TestCall();
      calls.add(call);
      if (added % 7 === 0) calls.remove(call);
      else standing.push(call);
    }
    expect(new Set(standing.map(({ callId }) => callId)).size).toBe(5_000);
    for (const call of standing) expect(calls.get(call.callId)).toBe(call);
    calls.failAll(lost);
    for (const call of standing) expect(call.failures).toHaveLength(1);
    expect(calls.size).toBe(0);
  });

  it('is full at its capacity, and has room again after a removal', () => {
    const calls = new PendingCalls(2);
    const [one, two] = [new TestCall(), new TestCall()];
    calls.add(one);
    expect(calls.isFull).toBe(false);
    calls.add(two);
    expect(calls.isFull).toBe(true);
    calls.remove(one);
    expect(calls.isFull).toBe(false);
    expect([one.callId, two.callId]).toEqual([0, 2]);
  });

  it('takes a removal twice, and that of a call it never had', () => {
    const calls = new PendingCalls(2);
    const call = new TestCall();
    calls.add(call);
    calls.remove(call);
    calls.remove(call);
    calls.remove(new TestCall());
    expect(calls.size).toBe(0);
  });

  it('skips ids whose place a long-lived call still has', () => {
    const calls = new PendingCalls(3);
    const stays = new TestCall();
    calls.add(stays);
    const ids = Array.from({ length: 12 }, () => {
      const call = new TestCall();
      const id = calls.add(call);
      calls.remove(call);
      return id;
    });
    expect(ids).toEqual([2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16]);
    expect(calls.get(1)).toBe(stays);
  });

  it('starts again at 1 after the highest id, and never uses the reserved ones', () => {
    const calls = after(MAX_CALL_ID - 2, new PendingCalls(10));
    expect(Array.from({ length: 4 }, () => calls.add(new TestCall()))).toEqual([MAX_CALL_ID - 1, MAX_CALL_ID, 1, 2]);
  });

  it('skips after the wrap-around what is still in flight from before', () => {
    const calls = new PendingCalls(4);
    const old = new TestCall();
    calls.add(old);
    after(MAX_CALL_ID, calls);
    const next = new TestCall();
    expect(calls.add(next)).toBe(2);
    expect(calls.get(1)).toBe(old);
    expect(calls.get(2)).toBe(next);
  });

  it('fails every call once, each under its id, and is empty then', () => {
    const calls = new PendingCalls(5);
    const all = Array.from({ length: 5 }, () => new TestCall());
    for (const call of all) calls.add(call);
    calls.failAll(lost);
    calls.failAll(lost);
    expect(all.map(({ failures }) => failures)).toEqual([1, 2, 3, 4, 5].map((id) => [`lost ${id}`]));
    expect(calls.size).toBe(0);
  });

  it('is empty already when the first call hears of its failure, so that it may start another', () => {
    const calls = new PendingCalls(1);
    const sizes: number[] = [];
    const call = Object.assign(new TestCall(), { fail: () => sizes.push(calls.size) });
    calls.add(call);
    calls.failAll(lost);
    expect(sizes).toEqual([0]);
  });

  it('holds exactly its capacity whatever that is', () => {
    for (const capacity of [1, 2, 3, 7, 8, 1_023, 1_024, 1_025]) {
      const calls = new PendingCalls(capacity);
      const ids = new Set<number>();
      while (!calls.isFull) ids.add(calls.add(new TestCall()));
      expect(ids.size).toBe(capacity);
      for (const id of ids) expect(calls.get(id)?.callId).toBe(id);
    }
  });
});
