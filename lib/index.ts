export { RookeryModule } from './rookery.module.js';
export {
  RookeryServer,
  type ListenInfo,
  type RookeryServerEvents,
  type RookeryServerStatus,
} from './microservice/rookery.server.js';
export { RookeryClient, type RookeryClientEvents, type RookeryClientStatus } from './microservice/rookery.client.js';
export { RookeryContext } from './microservice/rookery.context.js';
export { RookeryExceptionFilter } from './microservice/rookery-exception.filter.js';
export { RookeryRecord, RookeryRecordBuilder, type CallOptions } from './microservice/rookery-record.js';
export { getClientToken, InjectClient } from './microservice/inject-client.decorator.js';
export {
  enableGracefulDrain,
  type DrainableApplication,
  type GracefulDrainOptions,
} from './microservice/graceful-drain.js';
export type { HandlerExtras } from './microservice/handler-table.server.js';
export type {
  CodecChoice,
  RookeryClientOptions,
  RookeryOptions,
  RookeryServerOptions,
} from './microservice/rookery-options.js';

export {
  ServiceRegistry,
  type InstanceQuery,
  type Resolution,
  type ResolutionListener,
  type ServiceQuery,
  type Unsubscribe,
} from './registry/service-registry.js';
export { memoryRegistry, MemoryRegistry, type MemoryRegistryOptions } from './registry/memory-registry.js';
export {
  staticRegistry,
  StaticRegistry,
  type StaticInstance,
  type StaticInstances,
} from './registry/static-registry.js';
export { compositeRegistry, CompositeRegistry, type CompositeRegistryOptions } from './registry/composite-registry.js';
export {
  embeddedRegistry,
  EmbeddedRegistry,
  type DiscoverQuery,
  type RegistryEvent,
} from './embedded/embedded-registry.js';
export type { EmbeddedRegistryOptions } from './embedded/embedded-registry-options.js';
export { DEFAULT_REGISTRY_PORT, type RegistryStats } from './embedded/registry-protocol.js';
export { RegistryServer } from './embedded/registry-server.js';
export { RegistryServerModule } from './embedded/registry-server.module.js';
export type { RegistryServerOptions } from './embedded/registry-server-options.js';
export type { RegistryPermission } from './embedded/registry-permissions.js';

export type { Balancer, BalancerContext, BalancerFactory, CallSample, PickRequest } from './balancing/balancer.js';
export { Endpoint } from './balancing/endpoint.js';
export { consistentHash, type ConsistentHashOptions } from './balancing/consistent-hash.js';
export { defaultBalancer } from './balancing/default-balancer.js';
export { leastActive } from './balancing/least-active.js';
export { withOutlierEjection, type OutlierEjectionOptions } from './balancing/outlier-ejection.js';
export { p2cEwma, type P2cEwmaOptions } from './balancing/p2c-ewma.js';
export { random } from './balancing/random.js';
export { roundRobin } from './balancing/round-robin.js';
export { withSlowStart, type SlowStartOptions } from './balancing/slow-start.js';
export { withSubset, type SubsetOptions } from './balancing/subset.js';
export { weightedRoundRobin } from './balancing/weighted-round-robin.js';
export { withZonePreference, type ZonePreferenceOptions } from './balancing/zone-preference.js';

export type { RetryOptions } from './resilience/retry.js';
export type { RetryBudgetOptions } from './resilience/retry-budget.js';
export type { Channel } from './transport/channel.js';
export { tlsCredentials, type TlsCredentials, type TlsEvent } from './transport/tls/credentials.js';
export type { CertificateSummary } from './transport/tls/material.js';
export type { PemSource, TlsOptions } from './transport/tls/options.js';
export type { LimitOptions, TransportLimits } from './transport/limits.js';
export type { Peer } from './transport/server-connection-context.js';
export type { AuthOptions } from './wire/auth.js';
export type { Codec } from './wire/codec.js';
export { FrameWriter } from './wire/frame-writer.js';
export { jsonCodec } from './wire/json-codec.js';
export { msgpackCodec } from './wire/msgpack/msgpack-codec.js';

export type { DiscoveryEvent } from './discovery/discovery-event.js';
export type { DiscoveryOptions } from './discovery/discovery-options.js';
export type { RegistrarEvent, RegistrarState } from './discovery/registrar-event.js';
export type { RegistrarOptions } from './discovery/registrar-timing.js';

export type { Clock, Timer } from './core/clock.js';
export type { Duration } from './core/duration.js';
export {
  ConfigurationError,
  HTTP_STATUS,
  RegistryError,
  RemoteError,
  RookeryError,
  type Code,
  type ErrorDetails,
  type Reason,
} from './core/errors.js';
export { serviceInstance, type InstanceInit, type InstanceStatus, type ServiceInstance } from './core/instance.js';
export type { Metadata } from './core/metadata.js';
export type { Outcome } from './core/outcome.js';
export type { Rng } from './core/random.js';
