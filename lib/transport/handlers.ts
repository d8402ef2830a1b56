import type { RookeryError } from '../core/errors.js';
import type { ManifestEntry } from '../wire/manifest.js';
import type { IncomingCall } from './incoming-call.js';

/** What runs for a pattern: the announcement, and the function. */
export interface Handler extends ManifestEntry {
  /** Returns a value, a promise of one, or a stream: an `Observable` (anything with `subscribe`) or an async iterable. */
  handle(data: unknown, call: IncomingCall): unknown;
}

/** The handlers of a server, by index in the manifest and by pattern. A message and an event of one pattern are two handlers. */
export class Handlers {
  private readonly messages = new Map<string, Handler>();
  private readonly events = new Map<string, Handler>();

  constructor(
    readonly list: readonly Handler[],
    /** What a caller is told of an error a handler threw. */
    readonly toWireError: (error: unknown) => RookeryError,
  ) {
    for (const handler of list) (handler.kind === 'event' ? this.events : this.messages).set(handler.pattern, handler);
  }

  find(kind: 'message' | 'event', index: number, pattern: string | undefined): Handler | undefined {
    if (pattern !== undefined) return (kind === 'event' ? this.events : this.messages).get(pattern);
    const handler = this.list[index];
    return handler?.kind === kind ? handler : undefined;
  }
}
