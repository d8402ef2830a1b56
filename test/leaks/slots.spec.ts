import { concat, NEVER, Observable, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../lib/core/errors.js';
import { dial, errorOf, eventually, pause, serve } from '../unit/transport/support.js';

/** Ends when it is told to, whatever becomes of its reader. */
class Stubborn {
  isRunning = false;
  private release!: () => void;
  private readonly released = new Promise<void>((resolve) => (this.release = resolve));

  async *values() {
    this.isRunning = true;
    try {
      yield 'first';
      await this.released;
      yield 'second';
    } finally {
      this.isRunning = false;
    }
  }

  end(): void {
    this.release();
  }
}

const ONE = { limits: { maxInFlightPerConnection: 1 } };

describe('the slot of a cancelled stream', () => {
  it('is taken until its generator has returned: a client cannot run more of them by cancelling', async () => {
    const stubborn = new Stubborn();
    const { acceptor, port } = await serve({ stream: () => stubborn.values(), echo: (data) => data }, ONE);
    const line = await dial(port);
    const call = line.start('stream');
    await eventually(() => stubborn.isRunning);
    call.cancel();
    expect(await errorOf(line.ask('echo', 1))).toMatchObject({ reason: 'SERVER_BUSY', outcome: 'refused' });
    expect(acceptor.inFlight).toBe(1);

    stubborn.end();
    await eventually(() => acceptor.inFlight === 0);
    expect(stubborn.isRunning).toBe(false);
    expect(await line.ask('echo', 2)).toBe(2);
  });

  it('is taken until its generator has returned also where the connection is gone', async () => {
    const stubborn = new Stubborn();
    const { acceptor, port } = await serve({ stream: () => stubborn.values() });
    const line = await dial(port);
    line.start('stream');
    await eventually(() => stubborn.isRunning);
    line.connection.destroy(new RookeryError('CONNECTION_LOST', 'cut by the test'));
    await eventually(() => acceptor.connections.size === 0);
    expect(acceptor.inFlight).toBe(1);
    stubborn.end();
    await eventually(() => acceptor.inFlight === 0);
  });

  it('is free at once where the generator listens to its signal', async () => {
    let hasEnded = false;
    const { acceptor, port } = await serve({
      stream: async function* (_, { signal }) {
        try {
          yield 1;
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        } finally {
          hasEnded = true;
        }
      },
    });
    const line = await dial(port);
    const call = line.start('stream');
    await eventually(() => acceptor.inFlight === 1);
    await pause(20);
    call.cancel();
    await eventually(() => acceptor.inFlight === 0, 100);
    expect(hasEnded).toBe(true);
  });

  it.each<[string, () => unknown]>([
    ['an Observable', () => concat(of(1), NEVER)],
    ['an Observable whose teardown throws', () => new Observable(() => throwing)],
    ['an Observable of a generator', () => concat(of(endless()), NEVER)],
    ['an iterator without `return`', () => ({ [Symbol.asyncIterator]: () => ({ next: slowly }) })],
    [
      'an iterator whose `return` throws',
      () => ({ [Symbol.asyncIterator]: () => ({ next: slowly, return: throwing }) }),
    ],
  ])('is free soon after the cancelling of %s', async (_, source) => {
    const { acceptor, port } = await serve({ stream: source });
    const line = await dial(port);
    const call = line.start('stream');
    await eventually(() => acceptor.inFlight === 1);
    await pause(20);
    call.cancel();
    await eventually(() => acceptor.inFlight === 0);
  });
});

describe('a stream that fails', () => {
  it('keeps its slot until the generator whose value could not be sent has cleaned up', async () => {
    let cleanUp!: () => void;
    const cleaned = new Promise<void>((resolve) => (cleanUp = resolve));
    const { acceptor, port } = await serve({
      stream: async function* () {
        try {
          yield 'x'.repeat(20_000);
        } finally {
          await cleaned;
        }
      },
    });
    const line = await dial(port, { limits: { maxFrameBytes: 16_384 } });
    expect(await errorOf(line.all('stream'))).toMatchObject({ reason: 'FRAME_TOO_LARGE' });
    expect(acceptor.inFlight).toBe(1);
    cleanUp();
    await eventually(() => acceptor.inFlight === 0);
  });

  it('beside a generator it has started ends that generator, too', async () => {
    let hasEnded = false;
    const { acceptor, port } = await serve({
      stream: () =>
        concat(
          of(endless(() => (hasEnded = true))),
          throwError(() => new Error('no more')),
        ),
    });
    const line = await dial(port);
    expect(await errorOf(line.all('stream'))).toMatchObject({ message: 'no more' });
    await eventually(() => hasEnded && acceptor.inFlight === 0);
  });
});

it('a teardown that throws does not keep the other calls of a lost connection from hearing of it', async () => {
  const aborted: number[] = [];
  const { acceptor, port } = await serve({
    teardown: () => new Observable(() => throwing),
    wait: (data, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(data as number);
          resolve();
        });
      }),
  });
  const line = await dial(port);
  line.start('wait', 1);
  line.start('teardown');
  line.start('wait', 2);
  await eventually(() => acceptor.inFlight === 3);
  line.connection.destroy(new RookeryError('CONNECTION_LOST', 'cut by the test'));
  await eventually(() => acceptor.inFlight === 0);
  expect(aborted).toEqual([1, 2]);
});

async function* endless(onEnd: () => void = () => undefined) {
  try {
    for (let number = 0; ; number++) {
      yield number;
      await pause(1);
    }
  } finally {
    onEnd();
  }
}

async function slowly() {
  await pause(5);
  return { done: false, value: 1 };
}

function throwing(): never {
  throw new Error('cannot clean up');
}
