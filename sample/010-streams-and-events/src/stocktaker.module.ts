import { Module } from '@nestjs/common';
import { RookeryModule } from 'nestjs-rookery';
import { registry } from './registry.js';
import { StocktakerService } from './stocktaker.service.js';

@Module({
  imports: [RookeryModule.forRoot({ registry: registry.connect() }), RookeryModule.forClients(['stock'])],
  providers: [StocktakerService],
})
export class StocktakerModule {}
