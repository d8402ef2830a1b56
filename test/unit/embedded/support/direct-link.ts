import { onTestFinished } from 'vitest';

import { systemClock } from '../../../../lib/core/clock.js';
import { RookeryError } from '../../../../lib/core/errors.js';
import { TimerWheel } from '../../../../lib/core/timer-wheel.js';
import { REGISTRY_SERVICE } from '../../../../lib/embedded/registry-protocol.js';
import type { ClientConnection, ConnectionCall } from '../../../../lib/transport/client-connection.js';
import { Dialer } from '../../../../lib/transport/dialer.js';
import { collect } from '../../../../lib/transport/direct-call.js';
import { KEEP_ALIVE_TIMES } from '../../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../../../../lib/transport/limits.js';
import { OutgoingCall } from '../../../../lib/transport/outgoing-call.js';
import { KeyRing, type AuthOptions } from '../../../../lib/wire/auth.js';
import { msgpackCodec } from '../../../../lib/wire/msgpack/msgpack-codec.js';

/** A connection to a registry without the client on top: for saying what the client would not say. */
export interface DirectLink {
  readonly connection: ClientConnection;
  isAnnounced(pattern: string): boolean;
  /** The last value of the answer. */
  ask(pattern: string, data: unknown): Promise<unknown>;
  /** A stream whose credit comes back only when the test says so. */
  pulled(pattern: string, data: unknown): PulledStream;
}

export async function directLink(
  port: number,
  limits: Partial<TransportLimits> = {},
  auth?: AuthOptions,
): Promise<DirectLink> {
  const wheel = new TimerWheel(systemClock);
  const dialer = new Dialer({
    self: { service: '', instance: '' },
    keys: new KeyRing(auth),
    codecs: [msgpackCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    wheel,
    connectTimeoutMs: 3_000,
  });
  const events = { onDraining: () => undefined, onClosed: () => undefined };
  const connection = await dialer.dial({ ip: '127.0.0.1', port, service: REGISTRY_SERVICE }, events);
  onTestFinished(() => connection.destroy(new RookeryError('CLIENT_CLOSED', 'the test is over')));
  const inMs = (ms: number) => performance.now() + ms;
  return {
    connection,
    isAnnounced: (pattern) => connection.announced(outgoing(pattern, undefined, inMs(1_000))) !== undefined,
    ask: async (pattern, data) => (await collect(connection, wheel, pattern, data, inMs(2_000))).at(-1),
    pulled(pattern, data) {
      const stream = new PulledStream(connection, outgoing(pattern, data, inMs(60_000)));
      connection.send(stream, undefined, performance.now());
      return stream;
    },
  };
}

export class PulledStream implements ConnectionCall {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;
  readonly values: unknown[] = [];
  private unreleased = 0;
  private isEager = false;

  constructor(
    private readonly connection: ClientConnection,
    readonly call: OutgoingCall,
  ) {}

  next(value: unknown, bytes: number): void {
    this.values.push(value);
    this.unreleased += bytes;
    if (this.isEager) this.releaseAll();
  }

  last(): void {}

  complete(): void {}

  fail(): void {}

  /** From now on everything counts as read when it comes. */
  releaseAll(): void {
    this.isEager = true;
    this.connection.release(this, this.unreleased);
    this.unreleased = 0;
  }
}

function outgoing(pattern: string, data: unknown, deadlineAtMs: number): OutgoingCall {
  return new OutgoingCall(
    REGISTRY_SERVICE,
    'message',
    pattern,
    data,
    { isPulled: true },
    performance.now(),
    deadlineAtMs,
    true,
  );
}
