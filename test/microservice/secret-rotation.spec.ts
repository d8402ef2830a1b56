import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { expect, it } from 'vitest';

import type { RookeryClient } from '../../lib/index.js';
import { Colony, errorOf } from './colony.js';

const OLD = 'the secret of last year';
const NEW = 'the secret of this year';
const STEP_MS = 250;

@Controller()
class OrdersController {
  @MessagePattern('orders.get', { idempotent: true })
  get(@Payload() id: number) {
    return id;
  }
}

/** Calls in a row, on connections of their own and on one that lasts, until told to stop. */
class Traffic {
  calls = 0;
  readonly failures: unknown[] = [];
  private isOver = false;
  private readonly running: Promise<void>[];

  constructor(lasting: RookeryClient, fresh: () => RookeryClient) {
    this.running = [this.loop(() => this.call(lasting)), this.loop(() => this.callOnce(fresh()))];
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
  }

  private async loop(step: () => Promise<void>): Promise<void> {
    while (!this.isOver) await step();
  }

  private async callOnce(client: RookeryClient): Promise<void> {
    await this.call(client);
    await client.close();
  }

  private async call(client: RookeryClient): Promise<void> {
    const id = ++this.calls;
    try {
      expect(await client.call('orders.get', id)).toBe(id);
    } catch (error) {
      this.failures.push(error);
    }
  }
}

it('a secret is rotated in running processes, and no call fails meanwhile', async () => {
  const colony = new Colony();
  let ofServer = [OLD];
  let ofClients = [OLD];
  await colony.service({ controllers: [OrdersController], options: { auth: { secrets: () => ofServer } } });
  const client = () => colony.client({ auth: { secrets: () => ofClients } });
  const lasting = client();
  const traffic = new Traffic(lasting, client);
  const steps = [
    () => (ofClients = [OLD, NEW]),
    () => (ofServer = [NEW, OLD]),
    () => (ofClients = [NEW]),
    () => (ofServer = [NEW]),
  ];
  for (const step of steps) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    step();
  }
  await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  await traffic.stop();

  expect(traffic.failures).toEqual([]);
  expect(traffic.calls).toBeGreaterThan(100);
  const stale = colony.client({ auth: { secrets: [OLD] } });
  expect(await errorOf(stale.call('orders.get', 1))).toMatchObject({
    reason: 'AUTHENTICATION_FAILED',
    outcome: 'never-sent',
  });
});
