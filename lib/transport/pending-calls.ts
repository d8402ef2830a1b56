import type { RookeryError } from '../core/errors.js';
import { MAX_CALL_ID } from '../wire/frame.js';

/** A call that waits for replies on a connection. */
export interface PendingCall {
  /** Set by `PendingCalls.add`; 0 while it is in no table. */
  callId: number;
  /** A reply frame's value. */
  next(value: unknown, bytes: number): void;
  last(value: unknown): void;
  complete(): void;
  fail(error: RookeryError): void;
}

/**
 * The calls in flight on one connection, by id. Ids only grow (and start again at 1 after the highest), so that a GOAWAY can name the last one executed; the table is an array
 * indexed by the id's low bits, and an id whose place is still taken by a long-lived call is skipped. All operations are O(1).
 */
export class PendingCalls {
  private slots: (PendingCall | undefined)[];
  private mask: number;
  private lastId = 0;
  private count = 0;

  /** @param capacity calls in flight at once, 1 to 65,535 */
  constructor(readonly capacity: number) {
    this.slots = emptySlots(Math.min(FIRST_SIZE, 2 ** Math.ceil(Math.log2(capacity + 1))));
    this.mask = this.slots.length - 1;
  }

  get size(): number {
    return this.count;
  }

  get isFull(): boolean {
    return this.count >= this.capacity;
  }

  /** Gives the call an id. Not to be called when full. */
  add(call: PendingCall): number {
    if (this.count * 2 > this.mask) this.grow();
    let id = this.lastId;
    do id = id >= MAX_CALL_ID ? 1 : id + 1;
    while (this.slots[id & this.mask] !== undefined);
    this.lastId = id;
    this.slots[id & this.mask] = call;
    this.count++;
    call.callId = id;
    return id;
  }

  get(id: number): PendingCall | undefined {
    const call = this.slots[id & this.mask];
    return call?.callId === id ? call : undefined;
  }

  /** Harmless for a call that is not in the table. */
  remove(call: PendingCall): void {
    if (call.callId === 0) return;
    this.slots[call.callId & this.mask] = undefined;
    call.callId = 0;
    this.count--;
  }

  /** Twice the places; calls that had different ones go on having different ones. */
  private grow(): void {
    const calls = this.slots;
    this.slots = emptySlots(calls.length * 2);
    this.mask = this.slots.length - 1;
    for (const call of calls) if (call !== undefined) this.slots[call.callId & this.mask] = call;
  }

  /** Empties the table, then fails every call; `errorOf` may look at its id. */
  failAll(errorOf: (callId: number) => RookeryError): void {
    const calls = this.slots.filter((call) => call !== undefined).map((call) => ({ call, id: call.callId }));
    for (const { call } of calls) this.remove(call);
    for (const { call, id } of calls) call.fail(errorOf(id));
  }
}

/** Places to begin with. A power of two; at most half of them are taken, so that few ids have to be skipped. */
const FIRST_SIZE = 64;

function emptySlots(size: number): (PendingCall | undefined)[] {
  return new Array<PendingCall | undefined>(size).fill(undefined);
}
