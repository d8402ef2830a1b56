import { pause, type Clock } from '../core/clock.js';
import type { ServiceInstance } from '../core/instance.js';
import type { InstanceEvent, InstanceTable } from '../registry/instance-table.js';
import { News } from './news.js';
import { PAGE_RECORDS, pagesOf, type WatchMessage } from './registry-protocol.js';
import type { ServiceRef } from './wire-query.js';

/** A change is told at once; those that follow within this time are told together. */
const PACE_MS = 50;

/** Beyond this many untold changes, the whole state is shorter to tell, and is told instead. */
const MAX_CHANGES = 1_000;

/**
 * One watch on the server's side: what its reader has not been told yet, and nothing older. The reader's credit pauses the generator;
 * meanwhile changes of one instance replace each other here, so a slow reader costs a bounded amount and hears the newest state.
 */
export class InstanceWatch {
  private readonly news = new News();
  /** Untold: the record as it is now, or `undefined` for one that left. */
  private readonly changes = new Map<string, ServiceInstance | undefined>();
  private mustReset = true;
  private isOver = false;

  constructor(
    private readonly table: InstanceTable,
    private readonly service: ServiceRef,
    /** For how long the table may be incomplete, in ms. */
    private readonly warmingMs: () => number,
    private readonly clock: Clock,
  ) {}

  async *messages(): AsyncGenerator<WatchMessage, void> {
    const { serviceName } = this.service;
    const unsubscribe = this.table.subscribe((event) => this.note(event), serviceName, this.service);
    try {
      yield* this.untold();
      while (!this.isOver) {
        await this.news.wait();
        yield* this.untold();
        await pause(this.clock, PACE_MS);
      }
      // A registry that ends has perhaps just been told who leaves with it.
      yield* this.untold();
    } finally {
      unsubscribe();
    }
  }

  /** Ends the stream behind what is still untold; also one that waits for news. */
  readonly end = (): void => {
    this.isOver = true;
    this.news.tell();
  };

  private note({ type, instance }: InstanceEvent): void {
    const hasLeft = type === 'deregistered' || type === 'expired';
    if (!this.mustReset) this.changes.set(instance.instanceId, hasLeft ? undefined : instance);
    if (this.changes.size > MAX_CHANGES) this.mustReset = true;
    this.news.tell();
  }

  /** Changes that come while these parts are read are told after them. */
  private *untold(): Generator<WatchMessage> {
    const changes = [...this.changes];
    this.changes.clear();
    if (this.mustReset) return yield* this.state();
    if (changes.length === 0) return;
    const gone = changes.filter(([, instance]) => !instance).map(([id]) => id);
    const pages = pagesOf(
      changes.flatMap(([, instance]) => instance ?? []),
      PAGE_RECORDS,
    );
    for (const [index, set] of pages.entries()) {
      yield { set, gone: index === 0 ? gone : [], more: index < pages.length - 1 };
    }
  }

  private *state(): Generator<WatchMessage> {
    this.mustReset = false;
    const pages = pagesOf(this.table.query(this.service.serviceName, this.service), PAGE_RECORDS);
    for (const [index, set] of pages.entries()) {
      const part = { set, gone: [], more: index < pages.length - 1 };
      yield index === 0 ? { reset: true, warmingMs: this.warmingMs(), ...part } : part;
    }
  }
}
