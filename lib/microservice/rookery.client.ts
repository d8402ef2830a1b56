import { EventEmitter } from 'node:events';

import { Logger } from '@nestjs/common';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { AsyncSubject, Observable } from 'rxjs';

import { toMs } from '../core/duration.js';
import { RookeryError } from '../core/errors.js';
import { CORRELATION_ID, type Metadata } from '../core/metadata.js';
import { invalidOption } from '../core/options.js';
import type { DiscoveryEvent } from '../discovery/discovery-event.js';
import { snapshotStore } from '../discovery/file-snapshot-store.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import { embeddedRegistry } from '../embedded/embedded-registry.js';
import type { ServiceRegistry } from '../registry/service-registry.js';
import type { Invocation, Replies } from '../resilience/layer.js';
import { Channel, clientClosed } from '../transport/channel.js';
import { OutgoingCall, type OutgoingCallOptions } from '../transport/outgoing-call.js';
import { currentScope, scopeUserClosed, scopeUserOpened } from './call-scope.js';
import { discoveryLogLine } from './discovery-log.js';
import { CallbackReplies, EventReplies, ObservableReplies, PromiseReplies, StreamReplies } from './replies.js';
import { RookeryRecord, type CallOptions } from './rookery-record.js';
import { clientSettings, freshInstanceId, type RookeryClientOptions } from './rookery-options.js';

/** What `status` emits. */
export type RookeryClientStatus = 'connected' | 'disconnected';

/** What `on` listens to. */
export type RookeryClientEvents = {
  /** What happened to the list of instances. */
  discovery: (event: DiscoveryEvent) => void;
};

type Shared = {
  /** Of the process; kept open by its owner. */
  snapshots?: SnapshotStore;
  /** Who calls, where the process serves something itself. */
  self?: { service: string; instance: string };
};

/** What Nest 12 adds to its packets and clients; on 11 neither is there. */
type Packet = ReadPacket & { metadata?: Metadata };
type DispatchHook = { onDispatchHook?: (packet: Packet) => void };

const NO_OPTIONS: CallOptions = {};

/**
 * The client end of the transport: calls a service by name, whichever of its instances serves it best.
 *
 * ```ts
 * const order = await firstValueFrom(client.send<Order>('orders.get', { id: 'o-1' }));
 * const same = await client.call<Order>('orders.get', { id: 'o-1' }, { timeout: '300ms' });
 * for await (const line of client.stream<Line>('orders.lines', { id: 'o-1' })) console.log(line);
 * ```
 *
 * @publicApi
 */
export class RookeryClient extends ClientProxy<RookeryClientEvents, RookeryClientStatus> {
  private readonly settings: ReturnType<typeof clientSettings>;
  private readonly logger = new Logger(RookeryClient.name);
  private readonly emitter = new EventEmitter();
  private channel: Channel | undefined;
  private ownRegistry: ServiceRegistry | undefined;
  private ownSnapshots: SnapshotStore | undefined;
  private isClosed = false;

  /** @throws ConfigurationError `OPTION_INVALID` naming the field */
  constructor(private readonly options: RookeryClientOptions & Shared) {
    super();
    this.settings = clientSettings(options);
    this.initializeSerializer(options as never);
    this.initializeDeserializer(options as never);
    scopeUserOpened();
  }

  /** The service it calls. */
  get service(): string {
    return this.settings.service;
  }

  /** Resolves when it is known where the service is, or that it is nowhere; calls do it by themselves. Opens a closed client again. */
  async connect(): Promise<void> {
    if (this.isClosed) {
      this.isClosed = false;
      scopeUserOpened();
    }
    await this.openChannel().open();
    this._status$.next('connected');
  }

  /** Calls under way fail with `CLIENT_CLOSED`. May be called twice. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    scopeUserClosed();
    this.channel?.close();
    await this.ownSnapshots?.close();
    await this.ownRegistry?.close();
    this.channel = this.ownSnapshots = this.ownRegistry = undefined;
    this._status$.next('disconnected');
  }

  /** Cold: each subscription is a call; to unsubscribe cancels it. */
  override send<TResult = any, TInput = any>(pattern: any, data: TInput | RookeryRecord<TInput>): Observable<TResult> {
    return new Observable<TResult>((subscriber) => {
      const replies = new ObservableReplies(subscriber, this.errorOf, this.readValue);
      this.begin('message', pattern, data, NO_OPTIONS, replies);
      return replies;
    });
  }

  /** Hot: the event leaves at once. Completes when it was written, or, with `ack`, when its handlers have ended. */
  override emit<TResult = any, TInput = any>(pattern: any, data: TInput | RookeryRecord<TInput>): Observable<TResult> {
    const result = new AsyncSubject<TResult>();
    this.begin('event', pattern, data, NO_OPTIONS, new EventReplies(result as AsyncSubject<unknown>, this.errorOf));
    return result.asObservable();
  }

  /** One call, one reply. @throws RookeryError, or what the handler answered as a `RemoteError` */
  call<TResult = any, TInput = any>(pattern: any, data?: TInput, options: CallOptions = NO_OPTIONS): Promise<TResult> {
    return new Promise<TResult>((resolve, reject) => {
      const replies = new PromiseReplies(resolve as (value: unknown) => void, reject, this.errorOf, this.readValue);
      this.begin('message', pattern, data, options, replies);
    });
  }

  /** The replies one by one, pulled: the handler waits while the loop's body does. To leave the loop cancels the call. */
  stream<TResult = any, TInput = any>(
    pattern: any,
    data?: TInput,
    options: CallOptions = NO_OPTIONS,
  ): AsyncIterableIterator<TResult> {
    const replies = new StreamReplies<TResult>(this.errorOf, this.readValue);
    this.begin('message', pattern, data, options, replies, true);
    return replies.iterator();
  }

  override on<E extends keyof RookeryClientEvents>(event: E, callback: RookeryClientEvents[E]): void {
    this.emitter.on(event, callback);
  }

  /** The `Channel`: its endpoints and what is known of them. */
  unwrap<T = Channel>(): T {
    return this.openChannel() as T;
  }

  protected publish(packet: Packet, callback: (packet: WritePacket) => void): () => void {
    const replies = new CallbackReplies(callback);
    this.begin('message', packet.pattern, packet.data, { metadata: packet.metadata }, replies);
    return () => replies.unsubscribe();
  }

  protected dispatchEvent<T = any>(packet: Packet): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const replies = new PromiseReplies(resolve as (value: unknown) => void, reject, this.errorOf, this.readValue);
      this.begin('event', packet.pattern, packet.data, { metadata: packet.metadata }, replies);
    });
  }

  private readonly errorOf = (error: RookeryError): unknown => this.serializeError(error);

  private readonly readValue = (value: unknown): unknown => this.serializeResponse(this.deserialized(value));

  private deserialized(value: unknown): unknown {
    if (!this.options.deserializer) return value;
    const packet = this.deserializer.deserialize({ id: '', response: value, isDisposed: true }) as WritePacket;
    return packet.response;
  }

  /** Starts a call; whatever is wrong with it reaches the replies. */
  private begin(
    kind: 'message' | 'event',
    pattern: unknown,
    input: unknown,
    given: CallOptions,
    replies: Replies & { invocation: Invocation | undefined },
    isPulled = false,
  ): void {
    const options = input instanceof RookeryRecord ? { ...input.options, ...given } : given;
    const data: unknown = input instanceof RookeryRecord ? input.data : input;
    let call: OutgoingCall;
    try {
      if (this.isClosed) throw clientClosed(this.settings.service);
      call = this.prepare(kind, pattern, data, options, isPulled);
    } catch (error) {
      return replies.fail(error as RookeryError);
    }
    const { signal } = options;
    if (signal?.aborted) return replies.fail(aborted(call));
    replies.invocation = this.openChannel().start(call, replies);
    if (signal) this.abortOn(signal, call, replies);
  }

  private prepare(
    kind: 'message' | 'event',
    pattern: unknown,
    data: unknown,
    options: CallOptions,
    isPulled: boolean,
  ): OutgoingCall {
    const route = this.routeOf(pattern);
    const packet = this.dispatched(pattern, data);
    const nowMs = performance.now();
    const scope = currentScope();
    const timeoutMs = timeoutOf(options);
    let deadlineAtMs = nowMs + (timeoutMs ?? this.settings.deadlineMs);
    if (scope !== undefined && scope.deadlineAtMs < deadlineAtMs) deadlineAtMs = scope.deadlineAtMs;
    const callOptions: OutgoingCallOptions = {
      metadata: mergedMetadata(options.metadata, packet.metadata, scope?.correlationId),
      routingKey: options.routingKey,
      idempotent: options.idempotent,
      wantsAck: options.ack,
      isPulled,
    };
    const hasOwnDeadline = timeoutMs !== undefined || scope !== undefined;
    return new OutgoingCall(
      this.settings.service,
      kind,
      route,
      packet.data,
      callOptions,
      nowMs,
      deadlineAtMs,
      hasOwnDeadline,
    );
  }

  private routeOf(pattern: unknown): string {
    if (pattern === undefined || pattern === null || pattern === '') {
      throw new RookeryError(
        'PATTERN_INVALID',
        `a call of "${this.settings.service}" without a pattern; pass the one its handler has`,
      );
    }
    return this.normalizePattern(pattern as never);
  }

  /** Lets the dispatch hook of Nest 12 (tracing agents set it) and the custom serializer see the packet, where there are such. */
  private dispatched(pattern: unknown, data: unknown): { data: unknown; metadata?: Metadata | undefined } {
    let packet: Packet = { pattern, data };
    (this as unknown as DispatchHook).onDispatchHook?.(packet);
    if (this.options.serializer) packet = this.serializer.serialize(packet) as Packet;
    return packet;
  }

  private abortOn(
    signal: AbortSignal,
    call: OutgoingCall,
    replies: Replies & { invocation: Invocation | undefined; onEnd?: () => void },
  ): void {
    const abort = () => {
      replies.invocation?.cancel('unsubscribed');
      replies.fail(aborted(call));
    };
    signal.addEventListener('abort', abort, { once: true });
    replies.onEnd = () => signal.removeEventListener('abort', abort);
  }

  private onDiscovery(event: DiscoveryEvent): void {
    const { level, text } = discoveryLogLine(event);
    this.logger[level](text);
    this.emitter.emit('discovery', event);
  }

  private openChannel(): Channel {
    return (this.channel ??= this.makeChannel());
  }

  private makeChannel(): Channel {
    const { options, settings } = this;
    const registry =
      options.registry ?? (this.ownRegistry = embeddedRegistry({ auth: options.auth, tls: settings.tls }));
    const snapshots = options.snapshots ?? (this.ownSnapshots = snapshotStore({ snapshotDir: options.snapshotDir }));
    const self = options.self ?? { service: '', instance: freshInstanceId('client') };
    return new Channel({
      ...settings,
      registry,
      snapshots,
      self,
      onEvent: (event) => this.onDiscovery(event),
    });
  }
}

function timeoutOf({ timeout }: CallOptions): number | undefined {
  if (timeout === undefined) return undefined;
  const ms = toMs(timeout);
  if (ms === undefined || ms <= 0 || ms > MAX_TIMEOUT_MS)
    throw invalidOption('timeout', `a duration above 0 and up to 24h, such as '800ms'`, timeout);
  return ms;
}

const MAX_TIMEOUT_MS = 86_400_000;

function mergedMetadata(
  own: Metadata | undefined,
  fromHook: Metadata | undefined,
  correlationId: string | undefined,
): Metadata | undefined {
  if (own === undefined && fromHook === undefined && correlationId === undefined) return undefined;
  const inherited = correlationId === undefined ? undefined : { [CORRELATION_ID]: correlationId };
  return { ...inherited, ...fromHook, ...own };
}

function aborted({ service, pattern, wasSent }: OutgoingCall): RookeryError {
  return new RookeryError('CALLER_ABORTED', `"${pattern}" of "${service}" was aborted by its caller`, {
    service,
    outcome: wasSent ? 'unknown' : 'never-sent',
  });
}
