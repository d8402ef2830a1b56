import { TimerWheel } from '../../../lib/core/timer-wheel.js';
import { ServerBudgets } from '../../../lib/transport/byte-budget.js';
import { Turn } from '../../../lib/transport/turn.js';
import type { IncomingCall } from '../../../lib/transport/incoming-call.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS } from '../../../lib/transport/limits.js';
import { ServerConnection } from '../../../lib/transport/server-connection.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { encodeManifest } from '../../../lib/wire/manifest.js';
import { handlersOf } from '../../unit/transport/support.js';
import { freshClock } from './frozen-time.js';
import { MemorySocket } from './memory-socket.js';

export const WINDOW_BYTES = 64;
export const MAX_IN_FLIGHT = 4;
export const LIMITS = {
  ...TRANSPORT_LIMITS,
  maxFrameBytes: 16_384,
  maxInFlightPerConnection: MAX_IN_FLIGHT,
  streamWindowBytes: WINDOW_BYTES,
  maxSendBufferBytes: 4_096,
  maxMetadataBytes: 4_096,
};
export const PEER_LIMITS = { maxFrameBytes: 16_384, streamWindowBytes: WINDOW_BYTES, maxInFlight: MAX_IN_FLIGHT };
export const SECRETS = ['correct horse battery staple'];
export const COUNTED = 10;

/** How a handler that waits is ended, or made to go on. */
export interface Job {
  readonly pattern: string;
  readonly call: IncomingCall;
  next(value: unknown): void;
  complete(): void;
  fail(error: Error): void;
  isUnsubscribed: boolean;
}

/** A server's end of a connection, with a handler of every kind. Its time stands still unless it is moved. */
export class ServerRig {
  readonly clock = freshClock();
  readonly socket = new MemorySocket();
  readonly connection: ServerConnection;
  /** What was told, in order: handlers that ran, `ready`, `closed`. */
  readonly told: string[] = [];
  /** Handlers that wait for the test. */
  readonly jobs: Job[] = [];
  slotsTaken = 0;
  timesClosed = 0;
  closedWith: Error | undefined;
  private readonly wheel = new TimerWheel(this.clock);

  constructor(hasKeys: boolean) {
    const handlers = this.handlers();
    this.connection = new ServerConnection(this.socket.asSocket(), {
      self: { service: 'orders', instance: 'orders-1' },
      keys: new KeyRing(hasKeys ? { secrets: SECRETS } : undefined),
      codecs: [jsonCodec()],
      limits: PEER_LIMITS,
      transportLimits: LIMITS,
      handlers,
      manifest: (maxBytes) => encodeManifest(handlers.list, maxBytes),
      wheel: this.wheel,
      keepAlive: KEEP_ALIVE_TIMES,
      budgets: new ServerBudgets(LIMITS.maxBufferedBytes),
      turn: new Turn(),
      takeSlot: () => this.slotsTaken++ < 1_000,
      freeSlot: () => void this.slotsTaken--,
      onHandshakeFailed: () => 0,
      onReady: () => this.told.push('ready'),
      onClosed: (_, error) => {
        this.timesClosed++;
        this.closedWith = error;
      },
    });
    if (this.connection.isAuthenticated) throw new Error('authenticated before a byte was read');
  }

  /** Ends whatever waits, then looks whether anything is left. */
  endJobs(): void {
    for (const job of this.jobs) job.complete();
  }

  assertNothingLeft(): void {
    const { clock, slotsTaken, timesClosed, connection } = this;
    if (timesClosed !== 1) throw new Error(`told ${timesClosed} times that it closed`);
    if (slotsTaken !== 0 || connection.inFlight !== 0) throw new Error(`${slotsTaken} slots are still taken`);
    if (clock.pending !== 0 || this.wheel.size !== 0) throw new Error('a timer is left');
  }

  private ran(what: string, data: unknown): void {
    if (!this.socket.isOpen) throw new Error(`"${what}" ran after its connection had ended`);
    this.told.push(`${what}(${Buffer.isBuffer(data) ? 'bytes' : (JSON.stringify(data) ?? '')})`);
  }

  private handlers() {
    const ran = (what: string, data: unknown) => this.ran(what, data);
    return handlersOf({
      echo: (data) => (ran('echo', data), data),
      soon: async (data) => (ran('soon', data), data),
      fail: (data) => {
        ran('fail', data);
        throw new Error('no');
      },
      wait: (data, call) => (ran('wait', data), this.promised('wait', call)),
      push: (data, call) => (ran('push', data), this.subscribable(call)),
      count: (data) => (ran('count', data), counted()),
      placed: { kind: 'event', handle: (data) => ran('placed', data) },
      later: { kind: 'event', handle: (data, call) => (ran('later', data), this.promised('later', call)) },
    });
  }

  private promised(pattern: string, call: IncomingCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const job = { pattern, call, next: resolve, complete: () => resolve(undefined), fail: reject };
      this.jobs.push({ ...job, isUnsubscribed: false });
    });
  }

  private subscribable(call: IncomingCall): object {
    return {
      subscribe: (observer: { next(value: unknown): void; complete(): void; error(error: unknown): void }) => {
        const job: Job = {
          pattern: 'push',
          call,
          next: (value) => observer.next(value),
          complete: () => observer.complete(),
          fail: (error) => observer.error(error),
          isUnsubscribed: false,
        };
        this.jobs.push(job);
        return { unsubscribe: () => (job.isUnsubscribed = true) };
      },
    };
  }
}

async function* counted(): AsyncGenerator<number> {
  for (let number = 0; number < COUNTED; number++) yield number;
}

/** Patterns by their index in the MANIFEST of the rig. */
export const PATTERNS = ['echo', 'soon', 'fail', 'wait', 'push', 'count', 'placed', 'later'] as const;
