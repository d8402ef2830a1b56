import type { AsyncSubject, Subscriber } from 'rxjs';

import type { RookeryError } from '../core/errors.js';
import type { Invocation, Replies } from '../resilience/layer.js';

/** Hooks of `ClientProxy` that subclasses may override. */
type ErrorOf = (error: RookeryError) => unknown;
type ReadValue = (value: unknown) => unknown;

/** The end of the line: what the caller holds. One kind for each way to call. */
abstract class CallerReplies implements Replies {
  invocation: Invocation | undefined = undefined;
  /** Lets go of the caller's abort signal. */
  onEnd: (() => void) | undefined = undefined;
  protected isOver = false;

  abstract next(value: unknown, bytes: number): void;
  protected abstract completed(): void;
  protected abstract failed(error: RookeryError): void;

  /** The one value of a unary call. */
  protected answered(value: unknown): void {
    this.next(value, 0);
    this.completed();
  }

  last(value: unknown): void {
    if (this.isOver) return;
    this.end();
    this.answered(value);
  }

  complete(): void {
    if (this.isOver) return;
    this.end();
    this.completed();
  }

  fail(error: RookeryError): void {
    if (this.isOver) return;
    this.end();
    this.failed(error);
  }

  /** The caller wants no more. */
  unsubscribe(): void {
    if (this.isOver) return;
    this.end();
    this.invocation?.cancel('unsubscribed');
  }

  private end(): void {
    this.isOver = true;
    this.onEnd?.();
  }
}

/** `send()`: a teardown for its subscriber, too. */
export class ObservableReplies extends CallerReplies {
  constructor(
    private readonly subscriber: Subscriber<any>,
    private readonly errorOf: ErrorOf,
    private readonly readValue: ReadValue,
  ) {
    super();
  }

  next(value: unknown): void {
    this.subscriber.next(this.readValue(value));
  }

  protected completed(): void {
    this.subscriber.complete();
  }

  protected failed(error: RookeryError): void {
    this.subscriber.error(this.errorOf(error));
  }
}

/** `emit()`: who subscribes later hears the end, too. */
export class EventReplies extends CallerReplies {
  constructor(
    private readonly subject: AsyncSubject<unknown>,
    private readonly errorOf: ErrorOf,
  ) {
    super();
  }

  next(): void {}

  protected completed(): void {
    this.subject.next(undefined);
    this.subject.complete();
  }

  protected failed(error: RookeryError): void {
    this.subject.error(this.errorOf(error));
  }
}

/** `call()`: the last value counts. */
export class PromiseReplies extends CallerReplies {
  private value: unknown = undefined;

  constructor(
    private readonly resolve: (value: unknown) => void,
    private readonly reject: (error: unknown) => void,
    private readonly errorOf: ErrorOf,
    private readonly readValue: ReadValue,
  ) {
    super();
  }

  next(value: unknown): void {
    this.value = this.readValue(value);
  }

  protected completed(): void {
    this.resolve(this.value);
  }

  protected failed(error: RookeryError): void {
    this.reject(this.errorOf(error));
  }
}

/** `publish()`, for what builds on Nest's packets. */
export class CallbackReplies extends CallerReplies {
  constructor(
    private readonly callback: (packet: { err?: unknown; response?: unknown; isDisposed?: boolean }) => void,
  ) {
    super();
  }

  next(value: unknown): void {
    this.callback({ response: value });
  }

  protected completed(): void {
    this.callback({ isDisposed: true });
  }

  protected failed(error: RookeryError): void {
    this.callback({ err: error, isDisposed: true });
  }
}

interface Item {
  value: unknown;
  bytes: number;
}

/**
 * `stream()`: values wait here until they are pulled, and only then is their room given back to the sender, so never more than one stream
 * window waits.
 */
export class StreamReplies<T> extends CallerReplies {
  private readonly items: Item[] = [];
  private head = 0;
  private hasEnded = false;
  private error: unknown = undefined;
  private waiter: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void } | undefined = undefined;

  constructor(
    private readonly errorOf: ErrorOf,
    private readonly readValue: ReadValue,
  ) {
    super();
  }

  next(raw: unknown, bytes: number): void {
    const { waiter } = this;
    const value = this.readValue(raw);
    if (waiter === undefined) return void this.items.push({ value, bytes });
    this.waiter = undefined;
    this.invocation?.release(bytes);
    waiter.resolve({ done: false, value: value as T });
  }

  /** What the loop iterates over. To leave it cancels the call. */
  iterator(): AsyncIterableIterator<T> {
    const iterator: AsyncIterableIterator<T> = {
      next: () => this.pull(),
      return: async () => this.leave(),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  protected completed(): void {
    this.hasEnded = true;
    this.waiter?.resolve({ done: true, value: undefined });
    this.waiter = undefined;
  }

  protected failed(error: RookeryError): void {
    this.hasEnded = true;
    this.error = this.errorOf(error);
    if (this.waiter) this.waiter.reject(this.takeError());
    this.waiter = undefined;
  }

  private pull(): Promise<IteratorResult<T>> {
    const item = this.items[this.head];
    if (item !== undefined) {
      this.advance();
      this.invocation?.release(item.bytes);
      return Promise.resolve({ done: false, value: item.value as T });
    }
    if (this.error !== undefined) return Promise.reject(this.takeError());
    if (this.hasEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => (this.waiter = { resolve, reject }));
  }

  private leave(): IteratorResult<T> {
    this.unsubscribe();
    this.items.length = this.head = 0;
    this.error = undefined;
    this.completed();
    return { done: true, value: undefined };
  }

  private advance(): void {
    this.items[this.head++] = undefined as never;
    if (this.head < this.items.length) return;
    this.items.length = this.head = 0;
  }

  /** An error is thrown once; then the stream has ended. */
  private takeError(): unknown {
    const { error } = this;
    this.error = undefined;
    return error;
  }
}
