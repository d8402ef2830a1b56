import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { enableGracefulDrain, RookeryServer } from 'nestjs-rookery';
import { reportDrain } from '../show/report-drain.js';
import { OrdersModule } from './orders.module.js';

const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(OrdersModule, {
  useFactory: (strategy: RookeryServer) => ({ strategy }),
  inject: [RookeryServer],
  logger: ['warn', 'error'],
});
enableGracefulDrain(app);
reportDrain(app.get(RookeryServer));
await app.listen();
