import type { Clock, Timer } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import type { InstanceEvent, InstanceTable } from '../registry/instance-table.js';
import { PAGE_RECORDS, pagesOf, type WatchMessage } from './registry-protocol.js';
import { Turnstile } from './turnstile.js';
import type { ServiceRef } from './wire-query.js';

/** A change is told at once; those that follow within this time are told together. */
const PACE_MS = 50;

/** Beyond this many untold changes, the whole state is shorter to tell, and is told instead. */
const MAX_CHANGES = 1_000;

const DONE: IteratorResult<WatchMessage, void> = { done: true, value: undefined };

/**
 * One watch on the server's side: what its reader has not been told yet, and nothing older. The reader asks for the next message when it has
 * given credit; meanwhile changes of one instance replace each other here, so a slow reader costs a bounded amount and hears the newest
 * state.
 *
 * No generator: a thousand watches may have to tell one change, and those would take more time than what they tell.
 */
export class InstanceWatch implements AsyncIterator<WatchMessage, void> {
  /** Untold: the record as it is now, or `undefined` for one that left. */
  private readonly changes = new Map<string, ServiceInstance | undefined>();
  /** Parts of what is being told. */
  private parts: WatchMessage[] = [];
  private mustReset = true;
  private nextAtMs = 0;
  private hasBegun = false;
  private pace: Timer | undefined;
  private reader: ((result: IteratorResult<WatchMessage, void>) => void) | undefined;
  private unsubscribe: (() => void) | undefined;
  private isQueued = false;
  private isOver = false;
  /** For the last time: what comes after the end is told without delay. */
  private hasWaited = false;
  private isClosed = false;

  constructor(
    private readonly table: InstanceTable,
    private readonly service: ServiceRef,
    /** For how long the table may be incomplete, in ms. */
    private readonly warmingMs: () => number,
    private readonly clock: Clock,
    /** Shared by all watches of a registry. */
    private readonly turnstile = new Turnstile(),
    private readonly onClosed: () => void = () => undefined,
  ) {}

  messages(): this {
    return this;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<WatchMessage, void>> {
    if (this.isClosed) return Promise.resolve(DONE);
    const { serviceName } = this.service;
    this.unsubscribe ??= this.table.subscribe((event) => this.note(event), serviceName, this.service);
    const part = this.parts.shift();
    if (part) return Promise.resolve({ done: false, value: part });
    return new Promise((resolve) => {
      this.reader = resolve;
      this.serve();
    });
  }

  return(): Promise<IteratorResult<WatchMessage, void>> {
    this.close();
    return Promise.resolve(DONE);
  }

  /** Ends the stream behind what is still untold; also one that waits for news. */
  readonly end = (): void => {
    this.isOver = true;
    // Who has not begun to read has nothing to be told.
    if (this.unsubscribe) this.serve();
    else this.close();
  };

  private get hasNews(): boolean {
    return this.mustReset || this.changes.size > 0;
  }

  private note({ type, instance }: InstanceEvent): void {
    const hasLeft = type === 'deregistered' || type === 'expired';
    if (!this.mustReset) this.changes.set(instance.instanceId, hasLeft ? undefined : instance);
    if (this.changes.size > MAX_CHANGES) this.mustReset = true;
    if (!this.reader || this.pace || this.isQueued) return;
    this.isQueued = true;
    this.turnstile.enter(this.pass);
  }

  private readonly pass = (): void => {
    this.isQueued = false;
    this.serve();
  };

  /** Tells the reader who waits, if there is something to tell and it is time. */
  private serve(): void {
    if (!this.reader || this.pace || !(this.hasNews || this.isOver)) return;
    const waitMs = this.nextAtMs - this.clock.now();
    if (waitMs > 0 && !this.hasWaited) {
      this.pace = this.clock.after(waitMs, () => {
        this.pace = undefined;
        this.hasWaited = this.isOver;
        this.serve();
      });
    } else if (this.hasNews) this.tell();
    // A registry that ends has perhaps just told who leaves with it.
    else this.close();
  }

  private tell(): void {
    this.parts = this.mustReset ? this.state() : this.untold();
    // The state at the beginning is no change.
    this.nextAtMs = this.hasBegun ? this.clock.now() + PACE_MS : 0;
    this.hasBegun = true;
    this.answer({ done: false, value: this.parts.shift()! });
  }

  private answer(result: IteratorResult<WatchMessage, void>): void {
    const { reader } = this;
    this.reader = undefined;
    reader?.(result);
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.pace?.cancel();
    this.unsubscribe?.();
    this.changes.clear();
    this.parts = [];
    this.answer(DONE);
    this.onClosed();
  }

  /** Changes that come while these parts are read are told after them. */
  private untold(): WatchMessage[] {
    const gone: string[] = [];
    const changed: ServiceInstance[] = [];
    for (const [id, instance] of this.changes) {
      if (instance) changed.push(instance);
      else gone.push(id);
    }
    this.changes.clear();
    const pages = pagesOf(changed, PAGE_RECORDS);
    return pages.map((set, index) => ({ set, gone: index === 0 ? gone : [], more: index < pages.length - 1 }));
  }

  private state(): WatchMessage[] {
    this.mustReset = false;
    this.changes.clear();
    const pages = pagesOf(this.table.query(this.service.serviceName, this.service), PAGE_RECORDS);
    return pages.map((set, index) => {
      const part = { set, gone: [], more: index < pages.length - 1 };
      return index === 0 ? { reset: true, warmingMs: this.warmingMs(), ...part } : part;
    });
  }
}
