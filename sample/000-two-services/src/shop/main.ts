import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { randomUUID } from 'node:crypto';
import { CheckoutService } from './checkout.service.js';
import type { Sample } from './sample.js';
import { ShopModule } from './shop.module.js';
import { steadyLoad } from './steady-load.js';

const [callsPerSecond = 500, seconds = 15] = process.argv.slice(2).map(Number);

const app = await NestFactory.createApplicationContext(ShopModule, { logger: ['warn', 'error'] });
const checkout = app.get(CheckoutService);

const samples: Sample[] = [];
const report = () => process.send?.(samples.splice(0));
const reporting = setInterval(report, 100);

await steadyLoad({ callsPerSecond, seconds }, async () => {
  const startedAtMs = Date.now();
  const began = performance.now();
  const fate = await checkout.place({ id: randomUUID(), sku: 'twig', quantity: 3 }).then(
    ({ placedBy }) => ({ servedBy: placedBy }),
    (error: Error) => ({ error: error.message }),
  );
  samples.push({ startedAtMs, tookMs: performance.now() - began, ...fate });
});

clearInterval(reporting);
report();
await app.close();
