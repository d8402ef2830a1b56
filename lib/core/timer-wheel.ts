import type { Clock, Timer } from './clock.js';

/** Something that expires. The fields belong to the wheel; an entry sits in at most one wheel. */
export abstract class WheelEntry {
  /** @internal */ wheelPrevious: WheelEntry | undefined = undefined;
  /** @internal */ wheelNext: WheelEntry | undefined = undefined;
  /** @internal */ expiresAtTick = 0;

  /** Called once, at most one tick after the time asked for. */
  abstract onExpired(): void;
}

class Slot extends WheelEntry {
  constructor() {
    super();
    this.wheelPrevious = this;
    this.wheelNext = this;
  }
  onExpired(): void {}
}

const SLOTS = 512;

/**
 * Many deadlines on one timer: adding and removing is O(1) and allocates nothing. The timer sleeps until the next slot that holds
 * something and never keeps the process alive.
 * Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6 (hashed, unsorted buckets).
 */
export class TimerWheel {
  /** Made on first use and dropped when they have expired: a wheel that holds little is little. */
  private readonly slots = new Array<Slot | undefined>(SLOTS).fill(undefined);
  /** The slot under expiry. */
  private readonly due = new Slot();
  private timer: Timer | undefined;
  /** Up to here everything due has expired. */
  private currentTick = 0;
  /** When the timer fires next. */
  private wakeTick = 0;
  private isTicking = false;
  private count = 0;

  constructor(
    private readonly clock: Clock,
    /** Resolution in ms. */
    private readonly tickMs = 10,
  ) {}

  /** Entries that wait. */
  get size(): number {
    return this.count;
  }

  /** Expires the entry at a time of the clock; a time already past means the next tick. Moves an entry that already waits. */
  add(entry: WheelEntry, atMs: number): void {
    this.unlink(entry);
    if (this.count === 0 && !this.isTicking) this.currentTick = Math.floor(this.clock.now() / this.tickMs);
    const tick = Math.max(Math.ceil(atMs / this.tickMs), this.currentTick + 1);
    entry.expiresAtTick = tick;
    this.append(entry, (this.slots[tick & (SLOTS - 1)] ??= new Slot()));
    if (!this.isTicking && (this.timer === undefined || tick < this.wakeTick)) this.wakeAt(tick);
  }

  /** Harmless for an entry that does not wait. */
  remove(entry: WheelEntry): void {
    this.unlink(entry);
    if (this.count === 0 && !this.isTicking) this.sleep();
  }

  private unlink(entry: WheelEntry): void {
    if (entry.wheelNext === undefined) return;
    entry.wheelPrevious!.wheelNext = entry.wheelNext;
    entry.wheelNext.wheelPrevious = entry.wheelPrevious;
    entry.wheelPrevious = entry.wheelNext = undefined;
    this.count--;
  }

  private wakeAt(tick: number): void {
    this.timer?.cancel();
    this.wakeTick = tick;
    this.timer = this.clock.after(Math.max(1, tick * this.tickMs - this.clock.now()), this.onTick);
  }

  private sleep(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private readonly onTick = (): void => {
    const target = Math.floor(this.clock.now() / this.tickMs);
    // After a long pause every slot is due once; walking further would only repeat.
    const first = Math.max(this.currentTick + 1, target - SLOTS + 1);
    this.isTicking = true;
    this.currentTick = Math.max(this.currentTick, target);
    for (let tick = first; tick <= target; tick++) this.expireSlot(tick & (SLOTS - 1), target);
    this.isTicking = false;
    if (this.count > 0) this.wakeAt(this.nextBusyTick());
    else this.sleep();
  };

  /** The next slot that holds something; what is in it may be due rounds later, and is then looked at in vain. */
  private nextBusyTick(): number {
    let tick = this.currentTick + 1;
    while (isEmpty(this.slots[tick & (SLOTS - 1)])) tick++;
    return tick;
  }

  /** Takes the slot's list aside first: callbacks may add to it, or remove from it, while it is walked. */
  private expireSlot(index: number, nowTick: number): void {
    const { due, slots } = this;
    const slot = slots[index];
    slots[index] = undefined;
    if (slot === undefined || isEmpty(slot)) return;
    due.wheelNext = slot.wheelNext;
    due.wheelPrevious = slot.wheelPrevious;
    due.wheelNext!.wheelPrevious = due;
    due.wheelPrevious!.wheelNext = due;
    for (let entry = due.wheelNext!; entry !== due; entry = due.wheelNext!) {
      this.unlink(entry);
      if (entry.expiresAtTick <= nowTick) expire(entry);
      else this.append(entry, (slots[index] ??= new Slot()));
    }
  }

  private append(entry: WheelEntry, slot: Slot): void {
    entry.wheelPrevious = slot.wheelPrevious;
    entry.wheelNext = slot;
    slot.wheelPrevious!.wheelNext = entry;
    slot.wheelPrevious = entry;
    this.count++;
  }
}

function isEmpty(slot: Slot | undefined): boolean {
  return slot === undefined || slot.wheelNext === slot;
}

/** A callback that throws is an uncaught error as any timer's would be, and does not keep the others waiting for ever. */
function expire(entry: WheelEntry): void {
  try {
    entry.onExpired();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
