import {
  ConfigurableModuleBuilder,
  Global,
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

import { snapshotStore } from './discovery/file-snapshot-store.js';
import type { SnapshotStore } from './discovery/snapshot-store.js';
import { embeddedRegistry } from './embedded/embedded-registry.js';
import { getClientToken } from './microservice/inject-client.decorator.js';
import { freshInstanceId, type RookeryClientOptions, type RookeryOptions } from './microservice/rookery-options.js';
import { RookeryClient } from './microservice/rookery.client.js';
import { RookeryServer } from './microservice/rookery.server.js';
import { ServiceRegistry } from './registry/service-registry.js';
import { tlsCredentials, type TlsCredentials } from './transport/tls/credentials.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<RookeryOptions>().setClassMethodName('forRoot').build();

/** Makes clients that share the process's registry, snapshots and identity, and closes them. */
class ClientFactory {
  private readonly clients = new Set<RookeryClient>();

  constructor(
    private readonly options: RookeryOptions,
    private readonly registry: ServiceRegistry,
    private readonly snapshots: SnapshotStore,
    private readonly instanceId: string,
  ) {}

  create(options: RookeryClientOptions): RookeryClient {
    const { registry, snapshots, instanceId } = this;
    const { service = '', namespaceId, groupName } = this.options;
    const self = { service, instance: instanceId };
    const query = { namespaceId, groupName, ...options.query };
    const client = new RookeryClient({
      ...this.options,
      registry,
      ...definedOnly(options),
      service: options.service,
      query,
      snapshots,
      self,
    });
    this.clients.add(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all([...this.clients].map((client) => client.close()));
    await this.snapshots.close();
  }
}

const INSTANCE_ID = Symbol('nestjs-rookery.InstanceId');
const SNAPSHOTS = Symbol('nestjs-rookery.SnapshotStore');
/** Read, and read again, once for the whole process. */
const TLS = Symbol('nestjs-rookery.TlsCredentials');

type SharedTls = TlsCredentials | undefined;

/** One per application, made by `RookeryModule.forRoot`: the registry, the server, and the order in which they start and stop. */
@Global()
@Module({
  providers: [
    {
      provide: TLS,
      useFactory: ({ tls }: RookeryOptions): SharedTls => tls && tlsCredentials(tls),
      inject: [MODULE_OPTIONS_TOKEN],
    },
    {
      provide: ServiceRegistry,
      useFactory: ({ registry, auth }: RookeryOptions, tls: SharedTls) => registry ?? embeddedRegistry({ auth, tls }),
      inject: [MODULE_OPTIONS_TOKEN, TLS],
    },
    {
      provide: INSTANCE_ID,
      useFactory: ({ service }: RookeryOptions) => freshInstanceId(service ?? 'client'),
      inject: [MODULE_OPTIONS_TOKEN],
    },
    {
      provide: SNAPSHOTS,
      useFactory: ({ snapshotDir }: RookeryOptions) => snapshotStore({ snapshotDir }),
      inject: [MODULE_OPTIONS_TOKEN],
    },
    {
      provide: RookeryServer,
      useFactory: (options: RookeryOptions, tls: SharedTls, registry: ServiceRegistry, instanceId: string) =>
        new RookeryServer({ ...options, tls, registry, instanceId, awaitsBootstrap: true }),
      inject: [MODULE_OPTIONS_TOKEN, TLS, ServiceRegistry, INSTANCE_ID],
    },
    {
      provide: ClientFactory,
      useFactory: (
        options: RookeryOptions,
        tls: SharedTls,
        registry: ServiceRegistry,
        snapshots: SnapshotStore,
        instanceId: string,
      ) => new ClientFactory({ ...options, tls }, registry, snapshots, instanceId),
      inject: [MODULE_OPTIONS_TOKEN, TLS, ServiceRegistry, SNAPSHOTS, INSTANCE_ID],
    },
  ],
  exports: [ServiceRegistry, RookeryServer, ClientFactory],
})
class RookeryRootModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown
{
  constructor(
    private readonly server: RookeryServer,
    private readonly clients: ClientFactory,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    modules: ModulesContainer,
  ) {
    super();
    hookLastInFirstOut(modules);
  }

  /** Runs after the bootstrap hooks of all other modules: only now is the application what it announces itself to be. */
  onApplicationBootstrap(): void {
    this.server.bootstrapDone();
  }

  /** Runs before the destroy hooks of all other modules: handlers still have their database while they end. */
  async onModuleDestroy(): Promise<void> {
    await this.server.drain();
  }

  /** Nest has closed the server by now, where there is one. */
  async onApplicationShutdown(): Promise<void> {
    await this.server.close();
    await this.clients.close();
    await this.registry.close();
  }
}

/**
 * Nest runs init and bootstrap hooks by falling distance from the root module, and destroy hooks the other way round. Below the root there
 * is nothing, so this module goes there: last to start, first to stop.
 */
function hookLastInFirstOut(modules: ModulesContainer): void {
  for (const module of modules.values()) if (module.metatype === RookeryRootModule) module.distance = -1;
}

/**
 * Brings discovery, the server strategy and clients into a Nest application.
 *
 * ```ts
 * @Module({ imports: [RookeryModule.forRoot({ service: 'orders' }), RookeryModule.forClients(['stock'])] })
 * ```
 *
 * @publicApi
 */
@Module({})
export class RookeryModule {
  /** Once per application; global. Without `registry` the embedded one is used: hosted by the first process, joined by the others. */
  static forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return RookeryRootModule.forRoot(options);
  }

  /** The same with options from `useFactory`, `useClass` or `useExisting`. */
  static forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return RookeryRootModule.forRootAsync(options);
  }

  /** Clients of the services named, to be injected by `@InjectClient(name)`. Options given here win over those of `forRoot`. */
  static forClients(services: readonly (string | RookeryClientOptions)[]): DynamicModule {
    const providers = services
      .map((entry) => (typeof entry === 'string' ? { service: entry } : entry))
      .map((options) => ({
        provide: getClientToken(options.service),
        useFactory: (factory: ClientFactory) => factory.create(options),
        inject: [ClientFactory],
      }));
    return { module: RookeryModule, providers, exports: providers };
  }
}

function definedOnly<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
