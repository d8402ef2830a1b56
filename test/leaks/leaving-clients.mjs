// Clients that open a stream and go in the middle of it.
import { systemClock } from '../../dist/core/clock.js';
import { seededRng } from '../../dist/core/random.js';
import { TimerWheel } from '../../dist/core/timer-wheel.js';
import { Dialer } from '../../dist/transport/dialer.js';
import { DirectCall } from '../../dist/transport/direct-call.js';
import { KEEP_ALIVE_TIMES } from '../../dist/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { KeyRing } from '../../dist/wire/auth.js';
import { jsonCodec } from '../../dist/wire/json-codec.js';
import { answerWith } from './ledger.mjs';

const wheel = new TimerWheel(systemClock);
const dialer = new Dialer({
  self: { service: 'checkout', instance: 'checkout-1' },
  keys: new KeyRing(undefined),
  codecs: [jsonCodec()],
  limits: TRANSPORT_LIMITS,
  keepAlive: KEEP_ALIVE_TIMES,
  wheel,
  connectTimeoutMs: 10_000,
});
const PATTERNS = ['generator', 'Observable', 'promise'];
const WAYS = {
  reset: (socket) => socket.resetAndDestroy(),
  end: (socket) => socket.end(),
  destroy: (socket) => socket.destroy(),
};

/** Connects, calls, and resolves with its socket after so many values (or, where none come, so many milliseconds). */
async function callUntil(target, number, rng) {
  const closed = { onDraining: () => undefined };
  const isClosed = new Promise((resolve) => (closed.onClosed = resolve));
  const connection = await dialer.dial({ ip: '127.0.0.1', service: 'left', ...target }, closed);
  const pattern = PATTERNS[Math.floor(rng() * PATTERNS.length)];
  let wanted = 1 + Math.floor(rng() * 8);
  await new Promise((resolve) => {
    const next = () => --wanted === 0 && resolve();
    const replies = { next, complete: () => undefined, fail: () => undefined };
    new DirectCall(connection, wheel, pattern, number, performance.now() + 60_000, replies).start();
    if (pattern === 'promise') setTimeout(resolve, 5 * wanted);
  });
  return { socket: connection.link.socket, isClosed };
}

answerWith({
  /** @returns when each went: pairs of its number and ns of the clock all processes of a machine share */
  async comeAndGo({ target, from, count, seed }) {
    const rng = seededRng(seed);
    const ways = Object.values(WAYS);
    const numbers = Array.from({ length: count }, (_, index) => from + index);
    return Promise.all(
      numbers.map(async (number) => {
        const leave = ways[Math.floor(rng() * ways.length)];
        const { socket, isClosed } = await callUntil(target, number, rng);
        const leftAt = process.hrtime.bigint().toString();
        leave(socket);
        await isClosed;
        return [number, leftAt];
      }),
    );
  },

  /** @returns when all of them are in the middle of a stream, where they stay */
  async comeAndStay({ target, from, count, seed }) {
    const rng = seededRng(seed);
    const numbers = Array.from({ length: count }, (_, index) => from + index);
    await Promise.all(numbers.map((number) => callUntil(target, number, rng)));
  },
});
