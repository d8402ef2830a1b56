import { EventEmitter } from 'node:events';

import { Logger } from '@nestjs/common';
import { Server, type MessageHandler } from '@nestjs/microservices';
import { finalize, isObservable, map } from 'rxjs';

import { pause, systemClock, type Timer } from '../core/clock.js';
import type { Reason, RookeryError } from '../core/errors.js';
import { instanceAddress, serviceInstance, type ServiceInstance } from '../core/instance.js';
import { nameOption } from '../core/options.js';
import { systemRng } from '../core/random.js';
import { advertisedAddress } from '../discovery/advertised-address.js';
import { Latch } from '../discovery/latch.js';
import { EPOCH } from '../discovery/twins.js';
import { Registrar, type InstancePatch } from '../discovery/registrar.js';
import type { RegistrarEvent } from '../discovery/registrar-event.js';
import { embeddedRegistry } from '../embedded/embedded-registry.js';
import type { ServiceRegistry } from '../registry/service-registry.js';
import { Acceptor } from '../transport/acceptor.js';
import { Handlers } from '../transport/handlers.js';
import { ServerTls } from '../transport/tls/server.js';
import { checkBind } from './bind-check.js';
import { HandlerTable } from './handler-table.server.js';
import { RefusalLog } from './refusal-log.js';
import type { RookeryContext } from './rookery.context.js';
import { announcedFields, freshInstanceId, serverSettings, type RookeryServerOptions } from './rookery-options.js';
import { toWireError } from './wire-error.js';

/** What `status` emits. */
export type RookeryServerStatus = 'connected' | 'registered' | 'draining' | 'disconnected';

/** What `on` listens to. */
export type RookeryServerEvents = {
  /** A client has finished its hello, or is gone. */
  connection: (peer: { service: string; instance: string; address: string }) => void;
  disconnection: (peer: { service: string; instance: string; address: string }, error?: Error) => void;
  /** A connection was refused, or cut later, by this end: over a limit, without proof, silent, … */
  refused: (error: RookeryError, address: string) => void;
  /** What happened to the registration. */
  registrar: (event: RegistrarEvent) => void;
};

/** What `app.listen()` resolves with. */
export interface ListenInfo {
  address: string;
  port: number;
  family: string;
  instanceId: string;
}

/** `listen()` waits this long for the registration; then the application runs, and the registrar goes on trying. */
const REGISTRATION_PATIENCE_MS = 5_000;

/** Clients are asked to move after this long, whether or not the registry has answered. */
const DEREGISTER_PATIENCE_MS = 500;

/** A service that is bootstrapped and does not listen by then was probably forgotten. */
const LISTEN_PATIENCE_MS = 10_000;

const LOG_EVERY_MS = 10_000;

type Registering = Pick<RookeryServerOptions, 'registry'> & {
  /** Set by `RookeryModule`: the instance is announced only when Nest has run every bootstrap hook. */
  awaitsBootstrap?: boolean;
  instanceId?: string;
};

/**
 * The server end of the transport: a Nest microservice strategy that listens, announces itself in the registry, and serves calls.
 *
 * ```ts
 * const app = await NestFactory.createMicroservice(AppModule, { useFactory: (strategy) => ({ strategy }), inject: [RookeryServer] });
 * await app.listen(); // listening, bootstrapped and registered
 * ```
 *
 * @publicApi
 */
export class RookeryServer extends Server<RookeryServerEvents, RookeryServerStatus> {
  static readonly transportId = Symbol.for('nestjs-rookery');

  protected override readonly logger = new Logger(RookeryServer.name);

  private readonly table = new HandlerTable();
  private readonly settings: ReturnType<typeof serverSettings>;
  private readonly emitter = new EventEmitter();
  private readonly startHook = this.onProcessingStartHook;
  private readonly bootstrapped = new Latch();
  private acceptor: Acceptor | undefined;
  private registrar: Registrar | undefined;
  private ownRegistry: ServiceRegistry | undefined;
  private draining: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private forgottenTimer: Timer | undefined;
  private loggedAtMs = -Infinity;
  private readonly refusalLog = new RefusalLog((line) => this.logger.warn(line), systemClock.now);

  /** @throws ConfigurationError `OPTION_INVALID` naming the field */
  constructor(private readonly options: RookeryServerOptions & Registering = {}) {
    super();
    this.settings = serverSettings(options);
    this.transportId = RookeryServer.transportId;
    // Nest 12 asks for it; on 11 it is a field nobody reads.
    Object.defineProperty(this, 'propagatesEventHandlerErrors', { value: true });
    this.initializeSerializer(options as never);
    this.initializeDeserializer(options as never);
    if (!options.awaitsBootstrap) this.bootstrapped.open();
  }

  /** The instance as it is announced, once it listens. */
  get instance(): ServiceInstance | undefined {
    return this.registrar?.instance;
  }

  /** Clients connected. */
  get connections(): number {
    return this.acceptor?.connections.size ?? 0;
  }

  /** Calls whose handlers have not ended. */
  get inFlight(): number {
    return this.acceptor?.inFlight ?? 0;
  }

  /** Connections refused, or cut later, by this end, by reason, since it listens: `{ AUTHENTICATION_FAILED: 3 }`. */
  get refusals(): Readonly<Partial<Record<Reason, number>>> {
    return this.acceptor?.refusals ?? {};
  }

  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const route = this.normalizePattern(pattern as never);
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    if (this.table.add(route, callback, isEventHandler)) {
      this.logger.warn(
        `two message handlers for the pattern ${route}: the last one is used; give one of them another pattern`,
      );
    }
    if (!isEventHandler || !this.messageHandlers.has(route)) this.messageHandlers.set(route, callback);
  }

  /** The handler of a normalized pattern as it is: a pattern that happens to be JSON is no exception. */
  override getHandlerByPattern(route: string): MessageHandler | null {
    return this.table.messages.get(route) ?? this.table.events.get(route)?.[0] ?? null;
  }

  /** Called by Nest, which does not await it: whatever goes wrong reaches the callback. */
  listen(callback: (error?: unknown, info?: ListenInfo) => void): void {
    this.start().then(
      (info) => callback(undefined, info),
      (error: unknown) => callback(error),
    );
  }

  /** Called by `RookeryModule` when every bootstrap hook has run. */
  bootstrapDone(): void {
    this.bootstrapped.open();
    if (this.options.service === undefined || this.acceptor !== undefined) return;
    this.forgottenTimer = systemClock.after(LISTEN_PATIENCE_MS, () => this.warnIfForgotten());
  }

  private warnIfForgotten(): void {
    if (this.acceptor !== undefined || this.closing !== undefined) return;
    this.logger.warn(
      `"${this.options.service}" does not listen, so nobody finds it; call connectMicroservice({ strategy: app.get(RookeryServer) }) and startAllMicroservices()`,
    );
  }

  /** Changes what is announced: weight, metadata, status. @throws RookeryError `INSTANCE_INVALID` */
  update(patch: InstancePatch): void {
    this.registrar?.update(patch);
  }

  /**
   * Leaves in good order: out of the registry, clients are asked to move and served until they have (at most `drain.linger`), then running
   * handlers may end (at most `drain.grace`). Every call returns the same promise.
   */
  drain(): Promise<void> {
    return (this.draining ??= this.leave());
  }

  /** Drains, then closes what is left. May be called twice. */
  close(): Promise<void> {
    return (this.closing ??= this.drain().then(async () => {
      this.forgottenTimer?.cancel();
      await this.ownRegistry?.close();
      this.emitter.removeAllListeners();
      this._status$.next('disconnected');
    }));
  }

  on<E extends keyof RookeryServerEvents>(event: E, callback: RookeryServerEvents[E]): void {
    this.emitter.on(event, callback);
  }

  /** `{ server, registry, connections }`: Node's server, the registry in use, the open connections. */
  unwrap<T = unknown>(): T {
    const { acceptor, options, ownRegistry } = this;
    return {
      server: acceptor?.netServer,
      registry: options.registry ?? ownRegistry,
      connections: acceptor?.connections,
    } as T;
  }

  private async start(): Promise<ListenInfo> {
    const { host, port, keys, tls } = this.settings;
    const service = nameOption('service', this.options.service);
    const insecure = this.options.insecure === true;
    for (const warning of checkBind({ service, host, tls, insecure, hasSecrets: !keys.isEmpty }))
      this.logger.warn(warning);
    const instanceId = this.options.instanceId ?? freshInstanceId(service);
    const acceptor = this.makeAcceptor(service, instanceId);
    const bound = await acceptor.listen(host, port);
    this.acceptor = acceptor;
    const record = this.record(service, instanceId, bound.port);
    this._status$.next('connected');
    const isRegistered = this.bootstrapped.wait().then(() => this.register(record));
    // A hybrid application that starts its microservices first bootstraps later, and must not be kept waiting for it.
    if (this.bootstrapped.isOpen) await isRegistered;
    return { ...bound, instanceId };
  }

  private makeAcceptor(service: string, instance: string): Acceptor {
    const { keys, codecs, limits, keepAlive, tls } = this.settings;
    const list = this.table.toHandlers(this.run, (pattern, error) =>
      this.logger.error(`a handler of the event ${pattern} failed: ${shown(error)}`),
    );
    return new Acceptor({
      self: { service, instance },
      handlers: new Handlers(list, toWireError),
      keys,
      codecs,
      limits,
      keepAlive,
      tls: tls && new ServerTls(tls),
      onRefused: (error, address) => {
        this.refusalLog.note(error, address);
        this.emitter.emit('refused', error, address);
      },
      onConnection: ({ peer }) => this.emitter.emit('connection', peer),
      onConnectionClosed: ({ peer }, error) => this.emitter.emit('disconnection', peer, error),
    });
  }

  private readonly run = (handler: MessageHandler, data: unknown, context: RookeryContext): unknown =>
    this.options.serializer || this.options.deserializer
      ? this.runConverted(handler, data, context)
      : this.runPlain(handler, data, context);

  /** Between the custom deserializer and the custom serializer. */
  private async runConverted(handler: MessageHandler, data: unknown, context: RookeryContext): Promise<unknown> {
    const pattern = context.getPattern();
    const packet = await this.deserializer.deserialize({ pattern, data }, { pattern });
    const result: unknown = await this.runPlain(handler, packet.data, context);
    return isObservable(result) ? result.pipe(map((value) => this.serialized(value))) : this.serialized(result);
  }

  private serialized(response: unknown): unknown {
    return (this.serializer.serialize({ id: '', response }) as { response: unknown }).response;
  }

  private runPlain(handler: MessageHandler, data: unknown, context: RookeryContext): unknown {
    const isHooked = this.onProcessingStartHook !== this.startHook || this.onProcessingEndHook !== undefined;
    return isHooked ? this.runHooked(handler, data, context) : handler(data, context);
  }

  /** Around the handler's whole run, a stream's end included; the end hook is called exactly once. */
  private runHooked(handler: MessageHandler, data: unknown, context: RookeryContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let hasEnded = false;
      const end = () => {
        if (hasEnded) return;
        hasEnded = true;
        this.onProcessingEndHook?.(RookeryServer.transportId, context);
      };
      this.onProcessingStartHook(RookeryServer.transportId, context, async () => {
        try {
          const result: unknown = await handler(data, context);
          if (isObservable(result)) return resolve(result.pipe(finalize(end)));
          end();
          resolve(result);
        } catch (error) {
          end();
          reject(error);
        }
      });
    });
  }

  private async register(record: ServiceInstance): Promise<void> {
    if (this.draining) return;
    const { auth } = this.options;
    const { tls } = this.settings;
    const registry = this.options.registry ?? (this.ownRegistry ??= embeddedRegistry({ auth, tls }));
    this.registrar = new Registrar({
      registry,
      clock: systemClock,
      rng: systemRng,
      options: this.options.registrar,
      onEvent: (event) => this.onRegistrarEvent(event, registry),
      onStateChanged: (state) => {
        if (state === 'registered') this._status$.next('registered');
      },
    });
    const isRegistered = this.registrar.start(record);
    await atMost(REGISTRATION_PATIENCE_MS, isRegistered);
  }

  private record(serviceName: string, instanceId: string, boundPort: number): ServiceInstance {
    const { host, port } = advertisedAddress({
      advertise: this.options.advertise,
      bindHost: this.settings.host,
      port: boundPort,
    });
    const fields = announcedFields(this.options);
    const metadata = { [EPOCH]: String(Date.now()), ...fields.metadata };
    return serviceInstance({ ...fields, serviceName, instanceId, ip: host, port, metadata });
  }

  private async leave(): Promise<void> {
    const { acceptor } = this;
    if (acceptor === undefined) return;
    this._status$.next('draining');
    const deregistered = this.registrar?.close() ?? Promise.resolve();
    // First out of the registry, then the goodbyes; but a registry that does not answer must not keep the clients waiting.
    await atMost(DEREGISTER_PATIENCE_MS, deregistered);
    acceptor.announceDrain();
    await Promise.all([deregistered, acceptor.emptied(this.settings.lingerMs)]);
    await acceptor.close(this.settings.graceMs);
  }

  private onRegistrarEvent(event: RegistrarEvent, registry: ServiceRegistry): void {
    this.emitter.emit('registrar', event);
    const { serviceName, instanceId } = event.instance;
    if (event.type === 'registered') {
      this.loggedAtMs = -Infinity;
      return this.logger.log(
        `${serviceName} (${instanceId}) is registered in ${registry.name} at ${instanceAddress(event.instance)}`,
      );
    }
    if (event.type !== 'attempt-failed' && event.type !== 'lease-lost') return;
    if (performance.now() - this.loggedAtMs < LOG_EVERY_MS) return;
    this.loggedAtMs = performance.now();
    const what = event.type === 'lease-lost' ? 'its lease was lost' : `cannot ${event.task}: ${shown(event.error)}`;
    this.logger.warn(
      `${serviceName} (${instanceId}) in ${registry.name}: ${what}; trying again. Check that the registry runs and can be reached.`,
    );
  }
}

/** Waits for what never fails, so long and no longer; no timer outlives the wait. */
async function atMost(ms: number, promise: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, pause(systemClock, ms, over.signal)]);
  over.abort();
}

function shown(error: unknown): string {
  if (error instanceof Error) return error.message;
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : String(error);
}
