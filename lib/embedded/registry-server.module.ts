import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';

import { RegistryServer } from './registry-server.js';
import type { RegistryServerOptions } from './registry-server-options.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<RegistryServerOptions>()
  .setClassMethodName('forRoot')
  .build();

/**
 * Runs the embedded registry inside a Nest application: it listens once the application has bootstrapped, and ends with it. `RegistryServer`
 * may be injected, e.g. for its `stats()`.
 *
 * ```ts
 * @Module({ imports: [RegistryServerModule.forRoot({ port: 7665 })] })
 * class AppModule {}
 * ```
 *
 * @publicApi
 */
@Module({
  providers: [
    {
      provide: RegistryServer,
      useFactory: (options: RegistryServerOptions) => new RegistryServer(options),
      inject: [MODULE_OPTIONS_TOKEN],
    },
  ],
  exports: [RegistryServer],
})
export class RegistryServerModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  constructor(@Inject(RegistryServer) private readonly server: RegistryServer) {
    super();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.server.listen();
  }

  /** The last hook of a shutdown: the application's own services have said goodbye by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.server.close();
  }
}
