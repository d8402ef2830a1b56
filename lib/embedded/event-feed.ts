import type { ServiceInstance } from '../core/instance.js';
import type { InstanceEvent, InstanceTable } from '../registry/instance-table.js';
import { News } from './news.js';
import type { EventsMessage } from './registry-protocol.js';
import type { ServiceRef } from './wire-query.js';

/** Events kept for a slow reader; beyond, it hears how many it missed. */
const MAX_WAITING = 1_000;

/** With a record of up to 33 KiB each, a part stays below the frame limit. */
const PART_EVENTS = 100;

/** Events of one service or of all, in order, for one reader on the wire. */
export class EventFeed {
  private readonly news = new News();
  private waiting: InstanceEvent[] = [];
  private missed = 0;
  private isOver = false;

  constructor(
    private readonly table: InstanceTable,
    private readonly service: Partial<ServiceRef>,
    /** Of whom the reader may hear. */
    private readonly mayHear: (instance: ServiceInstance) => boolean = () => true,
  ) {}

  async *messages(): AsyncGenerator<EventsMessage, void> {
    const { serviceName } = this.service;
    const unsubscribe = this.table.subscribe((event) => this.note(event), serviceName, this.service);
    try {
      // Says that from now on nothing goes by unheard.
      yield this.take();
      for (;;) {
        await this.news.wait();
        while (this.waiting.length > 0 && !this.isOver) yield this.take();
        if (this.isOver) return;
      }
    } finally {
      unsubscribe();
    }
  }

  /** Ends the stream, also one that waits for news. */
  readonly end = (): void => {
    this.isOver = true;
    this.news.tell();
  };

  private note(event: InstanceEvent): void {
    if (!this.mayHear(event.instance)) return;
    if (this.waiting.length >= MAX_WAITING) {
      this.missed += this.waiting.length;
      this.waiting = [];
    }
    this.waiting.push(event);
    this.news.tell();
  }

  private take(): EventsMessage {
    const message = { missed: this.missed, events: this.waiting.slice(0, PART_EVENTS) };
    this.waiting = this.waiting.slice(PART_EVENTS);
    this.missed = 0;
    return message;
  }
}
