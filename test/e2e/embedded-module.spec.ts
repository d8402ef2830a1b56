import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it, onTestFinished } from 'vitest';

import { embeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { RegistryServerModule } from '../../lib/embedded/registry-server.module.js';
import { freePort } from '../unit/embedded/support/free-port.js';

describe('RegistryServerModule', () => {
  it('runs a registry as long as the application runs', async () => {
    const port = await freePort();
    await expectToRun(port, RegistryServerModule.forRoot({ port }));
  });

  it('takes its options from a factory', async () => {
    const port = await freePort();
    await expectToRun(port, RegistryServerModule.forRootAsync({ useFactory: async () => ({ port }) }));
  });

  it('keeps the application from starting where the port is in use', async () => {
    const port = await freePort();
    const server = new RegistryServer({ port });
    await server.listen();
    onTestFinished(() => server.close());
    const module = await Test.createTestingModule({ imports: [RegistryServerModule.forRoot({ port })] }).compile();
    await expect(module.init()).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
  });
});

async function expectToRun(
  port: number,
  registryModule: ReturnType<typeof RegistryServerModule.forRoot>,
): Promise<void> {
  @Module({ imports: [registryModule] })
  class AppModule {}

  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const registry = embeddedRegistry({ address: `127.0.0.1:${port}` });
  onTestFinished(() => registry.close());
  await module.init();
  expect(await registry.listServices()).toEqual([]);
  expect(module.get(RegistryServer, { strict: false }).stats()).toMatchObject({ connections: 1 });
  await module.close();
  await expect(registry.listServices()).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
}
