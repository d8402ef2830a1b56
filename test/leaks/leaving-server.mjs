// A server that goes in the middle of streams: it ends the connection a stream is on, in any way there is.
import 'reflect-metadata';

import { setTimeout as pause } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import { memoryRegistry, RookeryServer } from 'nestjs-rookery';

import { seededRng } from '../../dist/core/random.js';
import { answerWith } from './ledger.mjs';
import { listening } from './listening.mjs';

const WAYS = [(socket) => socket.resetAndDestroy(), (socket) => socket.end(), (socket) => socket.destroy()];
const VALUE = 'x'.repeat(200);

let rng;

/** Some values, some of them in one go, and then nothing of the connection is left. */
async function* doomed(_, { call, signal }) {
  const values = 1 + Math.floor(rng() * 8);
  for (let value = 0; value < values; value++) {
    yield VALUE;
    if (rng() < 0.5) await pause(1);
  }
  const leave = WAYS[Math.floor(rng() * WAYS.length)];
  leave(call.connection.link.socket);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function* endless(_, { signal }) {
  while (!signal.aborted) {
    yield VALUE;
    await pause(5);
  }
}

answerWith({
  async open(seed) {
    Logger.overrideLogger(['error', 'fatal']);
    rng = seededRng(seed);
    const server = new RookeryServer({ service: 'leaving', registry: memoryRegistry() });
    server.addHandler('doomed', doomed);
    server.addHandler('endless', endless);
    server.addHandler('echo', async (data) => data);
    const { port } = await listening(server);
    return port;
  },
});
