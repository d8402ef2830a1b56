import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { StockService, type Reservation } from './stock.service.js';

@Controller()
export class StockController {
  constructor(private readonly stock: StockService) {}

  @MessagePattern('stock.reserve', { idempotent: true, timeout: '1s' })
  reserve(@Payload() reservation: Reservation): Promise<{ reserved: string }> {
    return this.stock.reserve(reservation);
  }
}
