/** Entry of a client's process. */
import 'reflect-metadata';

import { Logger } from '@nestjs/common';
import { embeddedRegistry, RookeryClient } from 'nestjs-rookery';

import { answerWith } from './answering.js';
import { builtModule } from './built-library.js';
import { Load } from './load.js';
import { countViolation, emptyTally, type Tally } from './tally.js';

const { seededRng } = await builtModule<typeof import('../../dist/core/random.js')>('core/random.js');

const tally = emptyTally();
let load: Load;

for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error: unknown) =>
    countViolation(tally, `${event}: ${error instanceof Error ? error.stack : String(error)}`),
  );

answerWith({
  async open(registryAddress: string, rate: number, seed: number): Promise<void> {
    Logger.overrideLogger(['error', 'fatal']);
    const registry = embeddedRegistry({ address: registryAddress, reregisterJitter: '1s' });
    const client = new RookeryClient({ service: 'soak', registry, snapshotDir: false });
    await client.connect();
    load = new Load(client, rate, seededRng(seed), tally);
  },

  async start(): Promise<void> {
    load.start();
  },

  /** Starts no more, and waits for what runs. */
  async pause(withinMs: number): Promise<void> {
    load.stop();
    await load.idle(withinMs);
  },

  async readSlowly(waitMs: number): Promise<void> {
    await load.readSlowly(waitMs);
  },

  async openEndless(count: number): Promise<void> {
    load.openEndless(count);
  },

  async tally(): Promise<Tally> {
    return tally;
  },
});
