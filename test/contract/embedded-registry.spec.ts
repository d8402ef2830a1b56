import { createServer, type AddressInfo, type Socket } from 'node:net';

import { embeddedRegistry, type EmbeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { registryContract, type RegistryBackend } from '../../lib/testing/index.js';
import { WRITABLE } from './left-out.js';
import { pinnedRunner } from './pinned-runner.js';

const TTL_MS = 400;
const AUTH = { secrets: ['a secret of the registry contract'] };
const WRONG = { secrets: ['another secret that nobody knows'] };

interface EmbeddedBackend extends RegistryBackend {
  readonly registry: EmbeddedRegistry;
  readonly port: number;
  server: RegistryServer;
}

registryContract<EmbeddedBackend>(
  'embedded',
  {
    capabilities: { leaseTtlMs: TTL_MS, propagationMs: 1_000, failureMs: 6_000 },
    create,
    stopServer: ({ server }) => server.close(),
    async restartServer(backend) {
      await backend.server.close();
      backend.server = await serve(backend.port);
    },
    wrongCredentials: async ({ port }) => client(port, WRONG),
    unreachable: async () => client(await unusedPort()),
  },
  pinnedRunner(WRITABLE),
);

async function create(): Promise<EmbeddedBackend> {
  const server = await serve(0);
  const { port } = await server.listen();
  const backend: EmbeddedBackend = {
    registry: client(port),
    another: async () => client(port),
    close: () => backend.server.close(),
    port,
    server,
  };
  return backend;
}

async function serve(port: number): Promise<RegistryServer> {
  const server = new RegistryServer({ port, ttl: TTL_MS, auth: AUTH });
  await server.listen();
  return server;
}

/** Without chance, so that after a restart a watcher is back before a lease as short as this one is over. */
function client(port: number, auth = AUTH): EmbeddedRegistry {
  return embeddedRegistry({ address: `127.0.0.1:${port}`, ttl: TTL_MS, auth, rng: () => 0 });
}

async function unusedPort(): Promise<number> {
  const server = createServer((socket: Socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
