import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { RookeryError, RookeryServer } from 'nestjs-rookery';
import { setTimeout as sleep } from 'node:timers/promises';
import { StockModule } from './stock.module.js';
import { StocktakerModule } from './stocktaker.module.js';
import { StocktakerService } from './stocktaker.service.js';

const service = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(StockModule, {
  useFactory: (strategy: RookeryServer) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['warn', 'error'],
});
await service.listen();
const caller = await NestFactory.createApplicationContext(StocktakerModule, { logger: ['warn', 'error'] });
const stocktaker = caller.get(StocktakerService);

const movements = await stocktaker.firstMovements('twig', 5);
console.log(`stream   ${movements.map(({ change }) => change).join(', ')}; then the reader left`);

await stocktaker.report(42);
console.log(`event    acknowledged; the level is now ${await stocktaker.level()}`);
const refused = await stocktaker.report(-1).then(() => 'no, taken', reasonOf);
console.log(`event    refused: ${refused}`);

const givenUp = await stocktaker.audit(AbortSignal.timeout(100)).catch(reasonOf);
console.log(`cancel   the caller sees ${givenUp}`);
await sleep(50);
console.log(`cancel   the handler has ${await stocktaker.lastAudit()}`);

console.log(`options  ${await stocktaker.greet('Robin', 'acme')}`);

await caller.close();
await service.close();

function reasonOf(error: unknown): string {
  if (!RookeryError.is(error)) throw error;
  return `${error.reason} (${error.code}, ${error.outcome}): ${error.message}`;
}
