import { Observable, concat, from, of, throwError } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { OutgoingCall } from '../../../lib/transport/outgoing-call.js';
import type { ConnectionCall } from '../../../lib/transport/client-connection.js';
import type { RookeryError } from '../../../lib/core/errors.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { HEADER_BYTES } from '../../../lib/wire/frame.js';
import { dial, errorOf, eventually, pause, serve, type Line } from './support.js';

const KIB = 1024;

async function* numbersTo(count: number) {
  for (let number = 0; number < count; number++) yield number;
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A stream whose reader says itself when it has consumed something. */
class Reader implements ConnectionCall {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;
  readonly call: OutgoingCall;
  readonly values: unknown[] = [];
  readonly bytes: number[] = [];
  ended: 'complete' | RookeryError | undefined;

  constructor(
    private readonly line: Line,
    pattern: string,
    data?: unknown,
  ) {
    this.call = new OutgoingCall(
      'orders',
      'message',
      pattern,
      data,
      { isPulled: true },
      0,
      performance.now() + 60_000,
      true,
    );
    line.connection.send(this, undefined, performance.now());
  }

  next(value: unknown, bytes: number): void {
    this.values.push(value);
    this.bytes.push(bytes);
  }
  last(value: unknown): void {
    this.values.push(value);
    this.complete();
  }
  complete(): void {
    this.ended = 'complete';
  }
  fail(error: RookeryError): void {
    this.ended = error;
  }

  /** Consumes the next value that waits. */
  consume(): void {
    const bytes = this.bytes.shift();
    if (bytes !== undefined) this.line.connection.release(this, bytes);
  }

  cancel(): void {
    this.line.connection.cancel(this);
  }
}

/** Until nothing more arrives. */
async function quiet(reader: Reader): Promise<void> {
  for (let before = -1; before !== reader.values.length;) {
    before = reader.values.length;
    await pause(30);
  }
}

describe('a stream', () => {
  it.each<[string, () => unknown]>([
    ['an async generator', () => numbersTo(1_000)],
    ['a promise of an async generator', async () => numbersTo(1_000)],
    ['an Observable', () => from(range(1_000))],
    ['an Observable of one async generator', () => of(numbersTo(1_000))],
    ['an iterator without `return`', () => ({ [Symbol.asyncIterator]: () => handMade(1_000) })],
  ])('of %s arrives whole and in order, many windows long', async (_, handle) => {
    const { acceptor, port } = await serve({ stream: handle });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    expect(await line.all('stream')).toEqual(range(1_000));
    await eventually(() => acceptor.inFlight === 0);
  });

  it('may be empty, which is not the same as one `undefined`', async () => {
    const { port } = await serve({
      none: () => numbersTo(0),
      undefinedOnce: () => from([undefined]),
      nothing: () => undefined,
    });
    const line = await dial(port);
    expect(await line.all('none')).toEqual([]);
    expect(await line.all('undefinedOnce')).toEqual([undefined]);
    expect(await line.all('nothing')).toEqual([undefined]);
  });

  it('that fails delivers what came before', async () => {
    const { port } = await serve({
      generator: async function* () {
        yield 1;
        throw new Error('no more');
      },
      observable: () =>
        concat(
          of(1),
          throwError(() => new Error('no more')),
        ),
    });
    const line = await dial(port);
    for (const pattern of ['generator', 'observable']) {
      const reader = new Reader(line, pattern);
      await eventually(() => reader.ended !== undefined);
      expect(reader.values).toEqual([1]);
      expect(reader.ended).toMatchObject({ reason: 'HANDLER_THREW', message: 'no more' });
    }
  });

  it('of an async generator waits for its reader: no more is produced than the window holds and one', async () => {
    const value = 'x'.repeat(1_000);
    let produced = 0;
    const { port } = await serve({
      stream: async function* () {
        for (;;) {
          produced++;
          yield value;
        }
      },
    });
    const line = await dial(port, { limits: { streamWindowBytes: 10 * KIB } });
    const reader = new Reader(line, 'stream');
    await eventually(() => produced > 0);
    await quiet(reader);
    const frameBytes = HEADER_BYTES + value.length + 2;
    expect(produced).toBe(Math.ceil((10 * KIB) / frameBytes));
    expect(reader.values).toHaveLength(produced);

    const before = produced;
    for (let read = 0; read < 6; read++) reader.consume();
    await quiet(reader);
    expect(produced).toBe(before + 6);
    reader.cancel();
  });

  it('of one reader that has stopped does not hold up another on the same connection', async () => {
    const { port } = await serve({ stream: () => numbersTo(100_000) });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    const stuck = new Reader(line, 'stream');
    await quiet(stuck);
    expect((await line.all('stream', undefined, 20_000)).length).toBe(100_000);
    expect(stuck.values.length).toBeLessThan(100);
    stuck.cancel();
  }, 20_000);

  it('of an Observable that is far ahead of its reader fails with STREAM_OVERRUN, and is unsubscribed', async () => {
    let emitted = 0;
    let isSubscribed = true;
    const { acceptor, port } = await serve(
      {
        stream: () =>
          new Observable((subscriber) => {
            const timer = setInterval(() => {
              for (let burst = 0; burst < 20 && !subscriber.closed; burst++, emitted++)
                subscriber.next('x'.repeat(1_000));
            }, 1);
            return () => {
              isSubscribed = false;
              clearInterval(timer);
            };
          }),
      },
      { limits: { maxSendBufferBytes: 64 * KIB } },
    );
    const line = await dial(port, { limits: { streamWindowBytes: 4 * KIB } });
    const reader = new Reader(line, 'stream');
    await eventually(() => reader.ended !== undefined);
    expect(reader.ended).toMatchObject({ reason: 'STREAM_OVERRUN', outcome: 'handled' });
    expect(isSubscribed).toBe(false);
    expect(emitted).toBeLessThan(100);
    await eventually(() => acceptor.inFlight === 0);
  });

  it('of an Observable that stays a little ahead is kept in bounded memory for as long as it lasts', async () => {
    let largest = 0;
    const { end } = FrameWriter.prototype;
    vi.spyOn(FrameWriter.prototype, 'end').mockImplementation(function (this: FrameWriter, start) {
      largest = Math.max(largest, this.bytes.length);
      end.call(this, start);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const value = 'x'.repeat(10 * KIB);
    let emit: () => void = () => undefined;
    const { port } = await serve({
      stream: () =>
        new Observable((subscriber) => {
          emit = () => subscriber.next(value);
          for (let ahead = 0; ahead < 6; ahead++) emit();
        }),
    });
    const line = await dial(port, { limits: { streamWindowBytes: 8 * KIB } });
    const reader = new Reader(line, 'stream');
    for (let read = 1; read <= 1_000; read++) {
      await eventually(() => reader.values.length >= read);
      emit();
      reader.consume();
    }
    expect(largest).toBeLessThan(512 * KIB);
    reader.cancel();
  }, 20_000);

  it('that ends far ahead of its reader is delivered to the end', async () => {
    const { port } = await serve({ stream: () => from(range(500)) });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    const reader = new Reader(line, 'stream');
    await quiet(reader);
    expect(reader.values.length).toBeLessThan(200);
    expect(reader.ended).toBeUndefined();
    while (reader.ended === undefined) {
      reader.consume();
      if (reader.bytes.length === 0) await pause(1);
    }
    expect(reader.values).toEqual(range(500));
  });

  it('whose next value is too large for a frame fails, and the connection goes on', async () => {
    const { port } = await serve({
      stream: () => from(['fine', 'x'.repeat(20_000)]),
      echo: (data) => data,
    });
    const line = await dial(port, { limits: { maxFrameBytes: 16_384 } });
    expect(await errorOf(line.all('stream'))).toMatchObject({ reason: 'FRAME_TOO_LARGE', outcome: 'handled' });
    expect(await line.ask('echo', 1)).toBe(1);
  });

  it.each<[string, (onEnd: () => void) => unknown]>([
    ['an async generator that waits for credit', endless],
    ['an Observable', (onEnd) => new Observable(() => onEnd)],
  ])('of %s ends when its reader cancels', async (_, source) => {
    let hasEnded = false;
    const { acceptor, port } = await serve({ stream: () => source(() => (hasEnded = true)) });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    const reader = new Reader(line, 'stream');
    await quiet(reader);
    reader.cancel();
    await eventually(() => hasEnded);
    await eventually(() => acceptor.inFlight === 0);
    const { length } = reader.values;
    await pause(20);
    expect(reader.values).toHaveLength(length);
  });

  it('asks an iterator for nothing more once its reader has cancelled', async () => {
    let asked = 0;
    const source = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: asked++ }) }) };
    const { port } = await serve({ stream: () => source });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    const reader = new Reader(line, 'stream');
    await quiet(reader);
    const before = asked;
    reader.cancel();
    await pause(30);
    expect(asked).toBe(before);
  });

  it('ends when its connection is gone', async () => {
    let hasEnded = false;
    const { acceptor, port } = await serve({ stream: () => endless(() => (hasEnded = true)) });
    const line = await dial(port, { limits: { streamWindowBytes: KIB } });
    await quiet(new Reader(line, 'stream'));
    line.connection.close();
    line.connection.destroy(Object.assign(new Error('gone')) as RookeryError);
    await eventually(() => hasEnded && acceptor.inFlight === 0);
  });
});

async function* endless(onEnd: () => void) {
  try {
    for (let number = 0; ; number++) yield number;
  } finally {
    onEnd();
  }
}

function handMade(count: number): AsyncIterator<number> {
  let number = 0;
  return { next: async () => (number < count ? { done: false, value: number++ } : { done: true, value: undefined }) };
}
