// Clients that last, whose servers go in the middle of streams.
import 'reflect-metadata';

import { Socket } from 'node:net';

import { Logger } from '@nestjs/common';
import { RookeryClient, staticRegistry } from 'nestjs-rookery';

import { ClientConnection } from '../../dist/transport/client-connection.js';
import { OutgoingCall } from '../../dist/transport/outgoing-call.js';
import { answerWith, ledger } from './ledger.mjs';

const CLASSES = { Socket, ClientConnection, OutgoingCall, AbortSignal };

const clients = [];

async function loseOne(client, pattern) {
  let values = 0;
  try {
    for await (const _ of client.stream(pattern, undefined, { timeout: '60s' })) values++;
  } catch (error) {
    // What was on its way when the connection was reset does not arrive.
    if (error.reason === 'CONNECTION_LOST' && error.outcome === 'unknown') return values > 0 ? 'lost' : 'lostAtOnce';
    return `${error.reason} after ${values} values: ${error.message}`;
  }
  return `ended after ${values} values`;
}

answerWith({
  /** Clients with one connection each. */
  async open({ ports, count }) {
    Logger.overrideLogger(['error', 'fatal']);
    for (let opened = 0; opened < count; opened++) {
      const registry = staticRegistry({ leaving: [{ ip: '127.0.0.1', port: ports[opened % ports.length] }] });
      clients.push({ registry, client: new RookeryClient({ service: 'leaving', registry, snapshotDir: false }) });
    }
  },

  /** Every client makes a call, so that it has a connection again. */
  async reconnect() {
    await Promise.all(clients.map(({ client }) => client.call('echo', 1, { timeout: '60s', idempotent: true })));
  },

  /** @returns how each stream of each client ended, counted */
  async lose({ times, pattern }) {
    const ends = {};
    await Promise.all(
      clients.map(async ({ client }) => {
        for (let time = 0; time < times; time++) {
          const end = await loseOne(client, pattern);
          ends[end] = (ends[end] ?? 0) + 1;
        }
      }),
    );
    return ends;
  },

  async close() {
    for (const { client, registry } of clients.splice(0)) {
      await client.close();
      await registry.close();
    }
  },

  ledger: () => ledger(CLASSES),
});
