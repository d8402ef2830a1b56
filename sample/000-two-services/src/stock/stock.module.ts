import { Module } from '@nestjs/common';
import { RookeryModule } from 'nestjs-rookery';
import { StockController } from './stock.controller.js';
import { StockService } from './stock.service.js';

@Module({
  imports: [RookeryModule.forRoot({ service: 'stock', metadata: { name: process.env['INSTANCE_NAME'] ?? 'stock' } })],
  controllers: [StockController],
  providers: [StockService],
})
export class StockModule {}
