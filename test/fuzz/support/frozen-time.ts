import { FakeClock } from '../../../lib/testing/fake-clock.js';

/** The clock of the connection under test: sessions are the same however long they take. */
let current = new FakeClock();

/**
 * From now on `performance.now()` is the time of the latest `freshClock`. Set by hand, for a spy remembers every call.
 *
 * @returns what undoes it
 */
export function freezeTime(): () => void {
  const own = Object.getOwnPropertyDescriptor(performance, 'now');
  Object.defineProperty(performance, 'now', { configurable: true, writable: true, value: () => current.now() });
  return () => {
    if (own) Object.defineProperty(performance, 'now', own);
    else delete (performance as { now?: () => number }).now;
  };
}

export function freshClock(): FakeClock {
  return (current = new FakeClock());
}
