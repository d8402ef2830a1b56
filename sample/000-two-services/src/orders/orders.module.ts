import { Module } from '@nestjs/common';
import { RookeryModule } from 'nestjs-rookery';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';

@Module({
  imports: [
    RookeryModule.forRoot({ service: 'orders', metadata: { name: process.env['INSTANCE_NAME'] ?? 'orders' } }),
    RookeryModule.forClients(['stock']),
  ],
  controllers: [OrdersController],
  providers: [OrdersService],
})
export class OrdersModule {}
