// A server whose clients go in the middle of streams. It notes when each of its handlers hears of it.
import 'reflect-metadata';

import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { Logger } from '@nestjs/common';
import { memoryRegistry, RookeryServer } from 'nestjs-rookery';
import { Observable } from 'rxjs';

import { IncomingCall } from '../../dist/transport/incoming-call.js';
import { ReplyStream } from '../../dist/transport/reply-stream.js';
import { ServerConnection } from '../../dist/transport/server-connection.js';
import { answerWith, ledger } from './ledger.mjs';
import { listening } from './listening.mjs';

const CLASSES = { Socket, ServerConnection, IncomingCall, ReplyStream, AbortSignal };
const VALUE = 'x'.repeat(200);

const started = { generator: 0, Observable: 0, promise: 0 };
const ended = { generator: 0, Observable: 0, promise: 0 };
/** When each call's signal aborted, by its number: ns of the clock all processes of a machine share. */
let abortedAt = [];

function note(number, { signal }) {
  signal.addEventListener('abort', () => abortedAt.push([number, process.hrtime.bigint().toString()]), { once: true });
}

const handlers = {
  async *generator(number, context) {
    note(number, context);
    started.generator++;
    try {
      for (;;) {
        yield VALUE;
        await pause(5, undefined, { signal: context.signal });
      }
    } finally {
      ended.generator++;
    }
  },

  Observable: (number, context) =>
    new Observable((subscriber) => {
      note(number, context);
      started.Observable++;
      const timer = setInterval(() => subscriber.next(VALUE), 5);
      return () => {
        ended.Observable++;
        clearInterval(timer);
      };
    }),

  async promise(number, context) {
    note(number, context);
    started.promise++;
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
    ended.promise++;
  },
};

let server;

answerWith({
  async open(limits) {
    Logger.overrideLogger(['error', 'fatal']);
    server = new RookeryServer({ service: 'left', registry: memoryRegistry(), limits });
    for (const [pattern, handler] of Object.entries(handlers)) server.addHandler(pattern, handler);
    const { port, instanceId } = await listening(server);
    return { port, instanceId };
  },

  ledger: () => ledger(CLASSES),

  async tables() {
    const { connections, inFlight, acceptor } = server;
    return { connections, inFlight, deadlines: acceptor.wheel.size };
  },

  async handlers() {
    return { started, ended };
  },

  async takeAborts() {
    const taken = abortedAt;
    abortedAt = [];
    return taken;
  },
});
