import { RookeryError } from '../core/errors.js';
import { FrameWriter } from '../wire/frame-writer.js';
import { uint32 } from '../wire/frame-decoder.js';
import { HEADER_BYTES } from '../wire/frame.js';
import { malformed } from '../wire/metadata-block.js';
import type { IncomingCall } from './incoming-call.js';

/** What this package needs of an RxJS `Observable`. */
export interface Subscribable {
  subscribe(observer: { next(value: unknown): void; error(error: unknown): void; complete(): void }): {
    unsubscribe(): void;
  };
}

/** Beyond this many unsent bytes of its connection, a stream waits even where the reader gave it credit. */
const LINK_HIGH_WATER_BYTES = 256 * 1024;

/**
 * The replies of one streaming handler, under the credit of their reader. An async iterable is paused; an `Observable` cannot be, so what
 * it pushes ahead of the credit is kept, up to the send buffer's limit, and beyond that the stream fails.
 */
export class ReplyStream {
  private creditBytes: number;
  /** Encoded frames that wait for credit; only an `Observable` has them. */
  private backlog: FrameWriter | undefined;
  private backlogSent = 0;
  /** As much of it as the connection has counted. */
  private backlogCounted = 0;
  private subscription: { unsubscribe(): void } | undefined;
  private iterator: AsyncIterator<unknown> | undefined;
  /** What the iterator was asked for and has not given yet. */
  private pulled: Promise<IteratorResult<unknown>> | undefined;
  private wake: (() => void) | undefined;
  /** How the source ended, while the backlog is still to be sent. */
  private end: { error: unknown; hasFailed: boolean } | undefined;
  private isStopped = false;

  constructor(private readonly call: IncomingCall) {
    this.creditBytes = call.connection.streamWindowBytes;
  }

  subscribe(source: Subscribable): void {
    try {
      this.subscription = source.subscribe({
        next: (value) => this.push(value),
        error: (error: unknown) => this.finish(error, true),
        complete: () => {
          if (this.iterator === undefined) this.finish(undefined, false);
        },
      });
    } catch (error) {
      this.finish(error, true);
    }
    if (this.isStopped) this.unsubscribe();
  }

  pump(source: AsyncIterable<unknown>): void {
    try {
      this.iterator = source[Symbol.asyncIterator]();
    } catch (error) {
      return this.finish(error, true);
    }
    void this.pull(this.iterator);
  }

  /** @throws RookeryError `FRAME_MALFORMED` for more than the stream has used */
  addCredit(bytes: number): void {
    if (this.creditBytes + bytes > this.call.connection.streamWindowBytes)
      throw malformed('more credit than a stream has used');
    this.creditBytes += bytes;
    this.resume();
  }

  resume(): void {
    if (!this.hasRoom) return;
    this.sendBacklog();
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }

  /** Ends the source without a further reply. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.dropBacklog();
    this.leave();
  }

  /** Whether it goes on only when its reader has read. */
  get awaitsReader(): boolean {
    return this.creditBytes <= 0 && !this.isStopped;
  }

  private get hasRoom(): boolean {
    return this.creditBytes > 0 && this.call.connection.unsentBytes < LINK_HIGH_WATER_BYTES;
  }

  private async pull(iterator: AsyncIterator<unknown>): Promise<void> {
    try {
      for (;;) {
        if (!this.hasRoom) await new Promise<void>((resolve) => (this.wake = resolve));
        if (this.isStopped) return;
        const item = await (this.pulled = iterator.next());
        this.pulled = undefined;
        if (item.done) this.iterator = undefined;
        if (this.isStopped) return;
        if (item.done) return this.finish(undefined, false);
        this.creditBytes -= this.call.connection.replies.next(this.call, item.value);
      }
    } catch (error) {
      // Who fails to give the next value has ended; who gave one that cannot be sent has not.
      if (this.pulled) this.iterator = undefined;
      this.finish(error, true);
    }
  }

  private push(value: unknown): void {
    if (this.isStopped || this.end) return;
    // An interceptor turned the async generator a handler returned into an Observable of that one value.
    if (isAsyncIterable(value)) return this.pump(value);
    try {
      if (this.backlog === undefined && this.hasRoom)
        this.creditBytes -= this.call.connection.replies.next(this.call, value);
      else this.keep(value);
    } catch (error) {
      this.finish(error, true);
    }
  }

  private keep(value: unknown): void {
    const { connection } = this.call;
    this.backlog ??= new FrameWriter(connection.maxPayloadBytes);
    connection.replies.encodeNext(this.call, value, this.backlog);
    const waiting = this.backlog.length - this.backlogSent;
    if (waiting > connection.maxSendBufferBytes) throw overrun(waiting);
    this.countBacklog();
  }

  private sendBacklog(): void {
    const { backlog, call } = this;
    if (backlog === undefined) return;
    while (this.backlogSent < backlog.length && this.hasRoom) {
      const frameBytes = HEADER_BYTES + uint32(backlog.bytes, this.backlogSent);
      call.connection.replies.frame(backlog.bytes, this.backlogSent, this.backlogSent + frameBytes);
      this.backlogSent += frameBytes;
      this.creditBytes -= frameBytes;
    }
    if (this.backlogSent < backlog.length) this.compact(backlog);
    else this.dropBacklog();
    this.countBacklog();
    if (this.end && this.backlog === undefined) this.report();
  }

  /** A source that stays a little ahead of its reader would otherwise keep all it ever sent. */
  private compact(backlog: FrameWriter): void {
    if (this.backlogSent * 2 < backlog.length) return;
    backlog.discard(this.backlogSent);
    this.backlogSent = 0;
  }

  private dropBacklog(): void {
    this.backlog = undefined;
    this.backlogSent = 0;
    this.countBacklog();
  }

  private countBacklog(): void {
    const bytes = this.backlog === undefined ? 0 : this.backlog.length - this.backlogSent;
    if (bytes === this.backlogCounted) return;
    this.call.connection.replies.addBacklog(bytes - this.backlogCounted);
    this.backlogCounted = bytes;
  }

  private finish(error: unknown, hasFailed: boolean): void {
    if (this.isStopped || this.end) return;
    this.end = { error, hasFailed };
    // An error does not wait behind what the reader has not made room for.
    if (this.backlog === undefined || hasFailed) this.report();
  }

  private report(): void {
    this.isStopped = true;
    this.dropBacklog();
    this.call.streamEnded(this.end!.error, this.end!.hasFailed);
    this.leave();
  }

  /** Lets go of the source. The call has ended when nothing of its source runs any more, which a generator that waits decides itself. */
  private leave(): void {
    this.unsubscribe();
    this.wake?.();
    if (this.iterator === undefined) this.call.ended();
    else void this.close(this.iterator);
  }

  private async close(iterator: AsyncIterator<unknown>): Promise<void> {
    try {
      // A generator that waits returns at its next yield.
      await (iterator.return ? iterator.return() : this.pulled);
    } catch {
      // What it throws now has no reader.
    }
    this.call.ended();
  }

  private unsubscribe(): void {
    try {
      this.subscription?.unsubscribe();
    } catch {
      // A teardown that throws has no reader either, and must not keep the connection's other calls from hearing of its end.
    }
  }
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function'
  );
}

function overrun(bytes: number): RookeryError {
  return new RookeryError(
    'STREAM_OVERRUN',
    `the handler's Observable is ${bytes} bytes ahead of its reader and cannot be paused; return an async generator, or produce less`,
  );
}
