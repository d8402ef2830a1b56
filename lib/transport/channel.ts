import type { BalancerFactory } from '../balancing/balancer.js';
import { systemClock } from '../core/clock.js';
import { RookeryError } from '../core/errors.js';
import { isAnonymous, type ServiceInstance } from '../core/instance.js';
import { systemRng } from '../core/random.js';
import { TimerWheel } from '../core/timer-wheel.js';
import type { OnDiscoveryEvent } from '../discovery/discovery-event.js';
import type { DiscoverySettings } from '../discovery/discovery-options.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import { Target } from '../discovery/target.js';
import type { InstanceQuery, ServiceRegistry } from '../registry/service-registry.js';
import type { Invocation, Invoke, Replies } from '../resilience/layer.js';
import type { RetryOptions } from '../resilience/retry.js';
import type { KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { Identity } from '../wire/hello.js';
import type { ClientConnection } from './client-connection.js';
import { clientStack } from './client-stack.js';
import type { ConnectionPoolOptions } from './connection-pool.js';
import { Dialer, type DialTarget } from './dialer.js';
import type { KeepAliveTimes } from './keep-alive.js';
import type { TransportLimits } from './limits.js';
import type { OutgoingCall } from './outgoing-call.js';
import { RemoteEndpoint } from './remote-endpoint.js';

export interface ChannelOptions {
  service: string;
  /** Who calls. */
  self: Identity;
  /** Shared; its owner closes it. */
  registry: ServiceRegistry;
  query: InstanceQuery;
  zone: string | undefined;
  balancer: BalancerFactory;
  retry: RetryOptions | false;
  keys: KeyRing;
  /** In order of preference. */
  codecs: readonly Codec[];
  limits: TransportLimits;
  keepAlive: KeepAliveTimes;
  connectTimeoutMs: number;
  /** More than one connection to an endpoint is opened only when those there are full. */
  maxConnectionsPerEndpoint: number;
  /** Shared; its owner closes it. */
  snapshots: SnapshotStore;
  discovery: DiscoverySettings;
  onEvent?: OnDiscoveryEvent | undefined;
}

/** The way to one service: finds its instances, connects to them, and takes calls. */
export class Channel {
  private readonly wheel = new TimerWheel(systemClock);
  private readonly dialer: Dialer;
  private readonly target: Target<RemoteEndpoint>;
  private readonly invoke: Invoke<OutgoingCall>;
  /** Endpoints that have left, and may still have calls. */
  private readonly leaving = new Set<RemoteEndpoint>();
  private isClosed = false;

  constructor(private readonly options: ChannelOptions) {
    const { self, service, registry, query, zone, balancer, snapshots, discovery, retry, onEvent } = options;
    this.dialer = new Dialer({ ...options, wheel: this.wheel });
    this.target = new Target<RemoteEndpoint>({
      serviceName: service,
      query,
      registry,
      balancer,
      zone,
      snapshots,
      onEvent,
      settings: discovery,
      clock: systemClock,
      rng: systemRng,
      callerId: self.instance,
      probe: (instance, signal) => this.probe(instance, signal),
      createEndpoint: (instance, nowMs) =>
        new RemoteEndpoint(instance, nowMs, (endpoint) => this.poolOptions(endpoint)),
      onEndpointRemoved: (endpoint) => this.remove(endpoint),
    });
    this.invoke = clientStack({ target: this.target, wheel: this.wheel, clock: systemClock, rng: systemRng, retry });
  }

  /** The endpoints as they stand, for tests, metrics and explanations. */
  get endpoints(): readonly RemoteEndpoint[] {
    return this.target.endpoints;
  }

  /** Follows the service; resolves once it is known where it is, or that it is nowhere. */
  async open(signal?: AbortSignal): Promise<void> {
    if (this.isClosed) throw clientClosed(this.options.service);
    this.target.open();
    await this.target.whenSettled(signal);
  }

  /** Starts a call. Failures, also of a closed channel, go to `replies`. */
  start(call: OutgoingCall, replies: Replies): Invocation {
    if (!this.isClosed) return this.invoke(call, replies);
    replies.fail(clientClosed(call.service));
    return NO_INVOCATION;
  }

  /** Stops following. Calls under way fail: whoever wants them to end first waits for them. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const endpoints = [...this.target.endpoints];
    this.target.close();
    for (const endpoint of new Set([...endpoints, ...this.leaving]))
      endpoint.pool.destroy(clientClosed(this.options.service));
    this.leaving.clear();
  }

  private poolOptions(endpoint: RemoteEndpoint): ConnectionPoolOptions {
    return {
      dialer: this.dialer,
      target: () => this.dialTarget(endpoint.instance),
      maxConnections: this.options.maxConnectionsPerEndpoint,
      clock: systemClock,
      rng: systemRng,
      onReachable: (isReachable) => this.target.setReachable(endpoint, isReachable),
      onGoodbye: () => this.target.confirmGone(endpoint.instanceId),
    };
  }

  private remove(endpoint: RemoteEndpoint): void {
    this.leaving.add(endpoint);
    endpoint.pool.close(() => this.leaving.delete(endpoint));
  }

  private dialTarget(instance: ServiceInstance): DialTarget {
    const { ip, port, serviceName, instanceId } = instance;
    return { ip, port, service: serviceName, instanceId: isAnonymous(instance) ? undefined : instanceId };
  }

  /**
   * Whether an instance that the registry no longer lists is there all the same: dialled, greeted, left.
   *
   * @throws RookeryError where this process could not ask: that tells nothing of the instance
   */
  private async probe(instance: ServiceInstance, signal: AbortSignal): Promise<boolean> {
    let saidGoodbye = false;
    const events = { onDraining: () => (saidGoodbye = true), onClosed: () => undefined };
    let connection: ClientConnection;
    try {
      connection = await this.dialer.dial(this.dialTarget(instance), events, signal);
    } catch (error) {
      if (isOurOwnTrouble(error)) throw error;
      return false;
    }
    // A draining instance says so right behind its greeting.
    await new Promise((resolve) => setImmediate(resolve));
    connection.close();
    return !saidGoodbye;
  }
}

/** Out of descriptors, ports or memory. */
const OUR_OWN_TROUBLE = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);

function isOurOwnTrouble(error: unknown): boolean {
  const { reason, cause } = error as RookeryError;
  return reason === 'CLIENT_CLOSED' || OUR_OWN_TROUBLE.has((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}

const NO_INVOCATION: Invocation = { cancel: () => undefined, release: () => undefined };

/** A call, or a wait, after close. */
export function clientClosed(service: string): RookeryError {
  return new RookeryError('CLIENT_CLOSED', `the client of "${service}" is closed; call connect() to open it again`, {
    service,
  });
}
