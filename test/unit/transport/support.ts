import { onTestFinished } from 'vitest';

import { systemClock } from '../../../lib/core/clock.js';
import { RookeryError } from '../../../lib/core/errors.js';
import { TimerWheel } from '../../../lib/core/timer-wheel.js';
import { toWireError } from '../../../lib/microservice/wire-error.js';
import { Acceptor, type AcceptorOptions } from '../../../lib/transport/acceptor.js';
import type { ClientConnection } from '../../../lib/transport/client-connection.js';
import { Dialer, type ConnectionEvents, type DialerOptions, type DialTarget } from '../../../lib/transport/dialer.js';
import { collect, DirectCall } from '../../../lib/transport/direct-call.js';
import { Handlers, type Handler } from '../../../lib/transport/handlers.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../../../lib/transport/limits.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';

export const QUICK_KEEP_ALIVE = { busyAfterMs: 100, busyTimeoutMs: 100, idleAfterMs: 200, idleTimeoutMs: 100 };

type Handle = Handler['handle'];

export type HandlerSetup = Record<string, Handle | (Partial<Handler> & { handle: Handle })>;

export interface ServerSetup extends Partial<Omit<AcceptorOptions, 'handlers' | 'limits'>> {
  limits?: Partial<TransportLimits>;
}

export interface RunningServer {
  acceptor: Acceptor;
  port: number;
}

/** Handlers by pattern; a message handler unless it says otherwise. */
export function handlersOf(setup: HandlerSetup): Handlers {
  const list = Object.entries(setup).map(([pattern, given]): Handler => {
    const handler = typeof given === 'function' ? { handle: given } : given;
    return { pattern, kind: 'message', ...handler };
  });
  return new Handlers(list, toWireError);
}

/** A server without Nest on a free port; closed after the test. */
export async function serve(setup: HandlerSetup, { limits, ...options }: ServerSetup = {}): Promise<RunningServer> {
  const acceptor = new Acceptor({
    self: { service: 'orders', instance: 'orders-1' },
    handlers: handlersOf(setup),
    keys: new KeyRing(undefined),
    codecs: [jsonCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    ...options,
  });
  onTestFinished(() => acceptor.close(0));
  const { port } = await acceptor.listen('127.0.0.1', 0);
  return { acceptor, port };
}

export interface ClientSetup extends Partial<Omit<DialerOptions, 'limits'>> {
  limits?: Partial<TransportLimits>;
}

export function dialer({ limits, ...options }: ClientSetup = {}): Dialer {
  return new Dialer({
    self: { service: 'checkout', instance: 'checkout-1' },
    keys: new KeyRing(undefined),
    codecs: [jsonCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    wheel: new TimerWheel(systemClock),
    connectTimeoutMs: 3_000,
    ...options,
  });
}

/** One connection and the calls on it, without choice of an instance, retry or pool. */
export class Line {
  readonly wheel: TimerWheel;
  /** Resolves with what the owner of the connection is told when it closes. */
  readonly closed: Promise<RookeryError>;
  isDraining = false;
  connection!: ClientConnection;
  private onClosed!: (error: RookeryError) => void;

  constructor(readonly dialer: Dialer) {
    this.wheel = dialer.options.wheel;
    this.closed = new Promise((resolve) => (this.onClosed = resolve));
  }

  async open(port: number, target: Partial<DialTarget> = {}): Promise<this> {
    const events: ConnectionEvents = {
      onDraining: () => (this.isDraining = true),
      onClosed: (_, error) => this.onClosed(error),
    };
    this.connection = await this.dialer.dial({ ip: '127.0.0.1', port, service: 'orders', ...target }, events);
    onTestFinished(() => this.connection.destroy(new RookeryError('CLIENT_CLOSED', 'the test is over')));
    return this;
  }

  /** The last value of the answer. */
  async ask(pattern: string, data?: unknown, timeoutMs = 5_000): Promise<unknown> {
    return (await this.all(pattern, data, timeoutMs)).at(-1);
  }

  all(pattern: string, data?: unknown, timeoutMs = 5_000): Promise<unknown[]> {
    return collect(this.connection, this.wheel, pattern, data, performance.now() + timeoutMs);
  }

  /** Starts a call whose answer is told to nobody, to be cancelled. */
  start(
    pattern: string,
    data?: unknown,
    onFail: (error: RookeryError) => void = () => undefined,
    timeoutMs = 10_000,
  ): DirectCall {
    const replies = { next: () => undefined, complete: () => undefined, fail: onFail };
    const call = new DirectCall(this.connection, this.wheel, pattern, data, performance.now() + timeoutMs, replies);
    call.start();
    return call;
  }
}

export function dial(port: number, setup: ClientSetup = {}, target: Partial<DialTarget> = {}): Promise<Line> {
  return new Line(dialer(setup)).open(port, target);
}

/** The error of a promise that must fail. */
export async function errorOf(promise: Promise<unknown>): Promise<RookeryError> {
  const value: unknown = await promise.catch((error: unknown) => error);
  if (RookeryError.is(value)) return value;
  throw new Error(`expected a RookeryError, got ${value instanceof Error ? value.stack : JSON.stringify(value)}`);
}

/** Polls until it holds; for what sockets do in their own time. */
export async function eventually(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
