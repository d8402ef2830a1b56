import type { Unsubscribe } from './service-registry.js';

export type ChangeListener<E> = (event: E) => void;

/** Key under which listeners hear every event. */
const EVERYTHING = Symbol('everything');

/**
 * Tells listeners what happened, by key, at once and in order.
 *
 * An event that a listener causes is told after the one it hears, so that all hear the same order; one that throws keeps the others
 * from nothing, and its error is reported as a process warning.
 */
export class ChangeFeed<E> {
  private readonly listeners = new Map<string | symbol, Set<ChangeListener<E>>>();
  private readonly queue: { readonly key: string; readonly event: E }[] = [];
  private isTelling = false;

  /** @param key only events of this key; without it, every event */
  subscribe(listener: ChangeListener<E>, key: string | symbol = EVERYTHING): Unsubscribe {
    // A function of its own per subscription, so that one listener may subscribe twice.
    const own: ChangeListener<E> = (event) => listener(event);
    const set = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, set.add(own));
    return () => {
      set.delete(own);
      if (set.size === 0 && this.listeners.get(key) === set) this.listeners.delete(key);
    };
  }

  /** How many subscriptions there are, of one key and of all. */
  get size(): number {
    let count = 0;
    for (const set of this.listeners.values()) count += set.size;
    return count;
  }

  emit(key: string, event: E): void {
    this.queue.push({ key, event });
    if (this.isTelling) return;
    this.isTelling = true;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      this.tell(next.key, next.event);
      this.tell(EVERYTHING, next.event);
    }
    this.isTelling = false;
  }

  close(): void {
    this.listeners.clear();
    this.queue.length = 0;
  }

  private tell(key: string | symbol, event: E): void {
    const set = this.listeners.get(key);
    if (!set) return;
    for (const listener of [...set]) if (set.has(listener)) guarded(listener, event);
  }
}

/** Calls somebody else's function; what it throws becomes a warning that names the bug, for there is nobody to throw it to. */
export function guarded<A>(listener: (argument: A) => void, argument: A): void {
  try {
    listener(argument);
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.emitWarning('a listener of the registry threw; catch errors inside it', {
      code: 'ROOKERY_LISTENER',
      detail,
    });
  }
}
