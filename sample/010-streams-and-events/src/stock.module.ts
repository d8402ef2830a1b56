import { Module } from '@nestjs/common';
import { RookeryModule } from 'nestjs-rookery';
import { registry } from './registry.js';
import { StockController } from './stock.controller.js';

@Module({
  imports: [RookeryModule.forRoot({ service: 'stock', registry: registry.connect() })],
  controllers: [StockController],
})
export class StockModule {}
