import { Observable } from 'rxjs';

import type { StreamValue } from './system.js';

/** As many values arrive at once as a database's cursor hands over. */
const PAGE = 1_000;

/**
 * What the streaming handlers return: the event loop turns between two pages, so that what is measured is the stream, not the length of a
 * queue that one tick has filled.
 */
export function pagedValues(count: number): Observable<StreamValue> {
  return new Observable((subscriber) => {
    let sequence = 0;
    let nextPage = setImmediate(emitPage);
    return () => clearImmediate(nextPage);

    function emitPage(): void {
      const end = Math.min(count, sequence + PAGE);
      for (; sequence < end; sequence++) subscriber.next({ sequence });
      if (sequence < count) nextPage = setImmediate(emitPage);
      else subscriber.complete();
    }
  });
}
