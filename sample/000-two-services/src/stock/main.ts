import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { enableGracefulDrain, RookeryServer } from 'nestjs-rookery';
import { StockModule } from './stock.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(StockModule, {
  useFactory: (strategy: RookeryServer) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['warn', 'error'],
});
enableGracefulDrain(app);
await app.listen();
