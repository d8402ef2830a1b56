import { onTestFinished } from 'vitest';

import { roundRobin } from '../../../lib/balancing/round-robin.js';
import { RookeryError } from '../../../lib/core/errors.js';
import { serviceInstance, type ServiceInstance } from '../../../lib/core/instance.js';
import { discoverySettings } from '../../../lib/discovery/discovery-options.js';
import { noSnapshots } from '../../../lib/discovery/snapshot-store.js';
import { memoryRegistry, type MemoryRegistry } from '../../../lib/registry/memory-registry.js';
import { Channel, type ChannelOptions } from '../../../lib/transport/channel.js';
import { KEEP_ALIVE_TIMES } from '../../../lib/transport/keep-alive.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../../../lib/transport/limits.js';
import { OutgoingCall, type OutgoingCallOptions } from '../../../lib/transport/outgoing-call.js';
import { KeyRing } from '../../../lib/wire/auth.js';
import { jsonCodec } from '../../../lib/wire/json-codec.js';

export interface Way {
  registry: MemoryRegistry;
  channel: Channel;
  /** Announces the instance `orders-<n>` at a port. */
  announce(n: number, port: number): Promise<ServiceInstance>;
  ask(pattern: string, data?: unknown, options?: OutgoingCallOptions, timeoutMs?: number): Promise<unknown>;
}

type Setup = Partial<Omit<ChannelOptions, 'limits'>> & { limits?: Partial<TransportLimits> };

/** The way to the service `orders`, whose instances take turns. */
export async function wayToOrders({ limits, ...options }: Setup = {}): Promise<Way> {
  const registry = memoryRegistry();
  const channel = new Channel({
    service: 'orders',
    self: { service: 'checkout', instance: 'checkout-1' },
    registry,
    query: {},
    zone: undefined,
    balancer: roundRobin(),
    retry: {},
    keys: new KeyRing(undefined),
    codecs: [jsonCodec()],
    limits: { ...TRANSPORT_LIMITS, ...limits },
    keepAlive: KEEP_ALIVE_TIMES,
    connectTimeoutMs: 2_000,
    maxConnectionsPerEndpoint: 4,
    snapshots: noSnapshots,
    discovery: discoverySettings(),
    ...options,
  });
  onTestFinished(async () => {
    channel.close();
    await registry.close();
  });
  return {
    registry,
    channel,
    async announce(n, port) {
      const instance = serviceInstance({ serviceName: 'orders', instanceId: `orders-${n}`, ip: '127.0.0.1', port });
      await registry.register(instance);
      return instance;
    },
    ask: (pattern, data, callOptions = {}, timeoutMs = 5_000) => ask(channel, pattern, data, callOptions, timeoutMs),
  };
}

function ask(
  channel: Channel,
  pattern: string,
  data: unknown,
  options: OutgoingCallOptions,
  timeoutMs: number,
): Promise<unknown> {
  const now = performance.now();
  const call = new OutgoingCall('orders', 'message', pattern, data, options, now, now + timeoutMs, true);
  return new Promise((resolve, reject) => {
    let value: unknown;
    channel.start(call, {
      next: (next) => (value = next),
      last: resolve,
      complete: () => resolve(value),
      fail: (error: RookeryError) => reject(error),
    });
  });
}
