// Whole colonies that come up, do a little, and go.
import 'reflect-metadata';

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Logger } from '@nestjs/common';
import { embeddedRegistry, RookeryClient, RookeryServer } from 'nestjs-rookery';

import { RegistryServer } from '../../dist/embedded/registry-server.js';
import { Acceptor } from '../../dist/transport/acceptor.js';
import { Channel } from '../../dist/transport/channel.js';
import { ClientConnection } from '../../dist/transport/client-connection.js';
import { ServerConnection } from '../../dist/transport/server-connection.js';
import { answerWith, ledger } from './ledger.mjs';
import { listening } from './listening.mjs';

const CLASSES = {
  Socket,
  RegistryServer,
  RookeryServer,
  RookeryClient,
  Acceptor,
  Channel,
  ClientConnection,
  ServerConnection,
  AbortSignal,
};

const WAYS = {
  /** In the order of an application that shuts down. */
  client: ['client', 'server', 'registries'],
  /** The registry goes first, and nobody waits for it. */
  registry: ['registries', 'server', 'client'],
  server: ['server', 'client', 'registries'],
};

async function comeAndGo(order) {
  const port = await freePort();
  const snapshotDir = mkdtempSync(join(tmpdir(), 'rookery-sets-'));
  // The first hosts the registry, the second joins it: two processes' worth.
  const registries = [embeddedRegistry({ port }), embeddedRegistry({ port })];
  const server = new RookeryServer({
    service: 'set',
    registry: registries[0],
    drain: { linger: '100ms', grace: '100ms' },
  });
  server.addHandler('echo', async (data) => data);
  server.addHandler('count', async function* (to) {
    for (let number = 0; number < to; number++) yield number;
  });
  await listening(server);
  const client = new RookeryClient({ service: 'set', registry: registries[1], snapshotDir });
  let sum = await client.call('echo', 1);
  for await (const number of client.stream('count', 5)) sum += number;
  if (sum !== 11) throw new Error(`a set answered ${sum}`);

  const closing = {
    client: () => client.close(),
    server: () => server.close(),
    registries: () => Promise.all(registries.map((registry) => registry.close())),
  };
  for (const part of order) await closing[part]();
  rmSync(snapshotDir, { recursive: true });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

answerWith({
  async run({ count, first }) {
    Logger.overrideLogger(['error', 'fatal']);
    let begun = 0;
    const lane = async () => {
      while (begun++ < count) await comeAndGo(WAYS[first]);
    };
    await Promise.all(Array.from({ length: 5 }, lane));
  },

  ledger: () => ledger(CLASSES),
});
