import type { RookeryError } from '../../../lib/core/errors.js';
import { TimerWheel } from '../../../lib/core/timer-wheel.js';
import { ClientConnection, type ConnectionCall } from '../../../lib/transport/client-connection.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { OutgoingCall } from '../../../lib/transport/outgoing-call.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';
import { freshClock } from './frozen-time.js';
import { MemorySocket } from './memory-socket.js';
import { typed } from './oracles.js';
import { LIMITS, PEER_LIMITS, SECRETS } from './server-rig.js';
import { brief } from './transcript.js';

export type CallKind = 'unary' | 'pulled' | 'event' | 'acked';

/** One call of the client under test: hears what its caller would, and that nothing comes after its end. */
export class RigCall implements ConnectionCall {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;
  isOver = false;
  readonly call: OutgoingCall;

  constructor(
    readonly index: number,
    kind: CallKind,
    pattern: string,
    private readonly told: string[],
  ) {
    const options = { isPulled: kind === 'pulled', wantsAck: kind === 'acked' };
    const isEvent = kind === 'event' || kind === 'acked';
    this.call = new OutgoingCall('orders', isEvent ? 'event' : 'message', pattern, 'x', options, 0, 1e9, true);
  }

  next(value: unknown): void {
    this.say(`next ${shown(value)}`, false);
  }

  last(value: unknown): void {
    this.say(`last ${shown(value)}`, true);
  }

  complete(): void {
    this.say('complete', true);
  }

  fail(error: RookeryError): void {
    const { reason, outcome } = typed(error);
    this.say(`fail ${reason} ${outcome}`, true);
  }

  private say(what: string, isLast: boolean): void {
    if (this.isOver) throw new Error(`call ${this.index} hears "${what}" after its end`);
    this.isOver = isLast;
    this.told.push(`call ${this.index}: ${what}`);
  }
}

function shown(value: unknown): string {
  return Buffer.isBuffer(value) ? 'bytes' : brief(JSON.stringify(value) ?? '');
}

/** A client's end of a connection, without a pool. Its time stands still unless it is moved. */
export class ClientRig {
  readonly clock = freshClock();
  readonly socket = new MemorySocket();
  readonly connection: ClientConnection;
  /** What was told, in order. */
  readonly told: string[] = [];
  readonly calls: RigCall[] = [];
  timesClosed = 0;
  closedWith: RookeryError | undefined;
  private readonly wheel = new TimerWheel(this.clock);

  constructor(hasKeys: boolean) {
    this.connection = new ClientConnection(
      this.socket.asSocket(),
      {
        self: { service: 'checkout', instance: 'checkout-1' },
        expected: { service: 'orders', instance: 'orders-1' },
        keys: new KeyRing(hasKeys ? { secrets: SECRETS } : undefined),
        codecs: [jsonCodec()],
        limits: PEER_LIMITS,
        transportLimits: LIMITS,
        keepAlive: KEEP_ALIVE_TIMES,
        wheel: this.wheel,
      },
      {
        onReady: () => this.told.push('ready'),
        onDraining: () => this.told.push('draining'),
        onClosed: (_, error) => {
          this.timesClosed++;
          this.closedWith = typed(error);
          this.told.push(`closed ${error.reason}`);
        },
      },
    );
  }

  /** Starts a call where there is room for one. @returns whether there was */
  start(kind: CallKind, pattern: string): RigCall | undefined {
    if (!this.connection.hasRoom) return undefined;
    const call = new RigCall(this.calls.length, kind, pattern, this.told);
    this.calls.push(call);
    this.connection.send(call, this.connection.announced(call.call), this.clock.now());
    return call;
  }

  assertNothingLeft(): void {
    if (this.timesClosed !== 1) throw new Error(`told ${this.timesClosed} times that it closed`);
    const waiting = this.calls.find(({ isOver, callId }) => !isOver && callId !== 0);
    if (waiting || this.connection.inFlight !== 0) throw new Error(`call ${waiting?.index} never ended`);
    if (this.clock.pending !== 0 || this.wheel.size !== 0) throw new Error('a timer is left');
  }
}
