import { Endpoint } from '../balancing/endpoint.js';
import type { ServiceInstance } from '../core/instance.js';
import { ConnectionPool, type ConnectionPoolOptions } from './connection-pool.js';

/** An endpoint with its connections, which live as long as its statistics do. */
export class RemoteEndpoint extends Endpoint {
  readonly pool: ConnectionPool;

  constructor(instance: ServiceInstance, addedAtMs: number, pool: (endpoint: RemoteEndpoint) => ConnectionPoolOptions) {
    super(instance, addedAtMs);
    this.pool = new ConnectionPool(pool(this));
  }
}
