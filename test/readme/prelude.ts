/** What the README's snippets use without saying where it comes from: things of the reader's own. */
export const PRELUDE = `
import type { INestApplication, Type } from '@nestjs/common';
import type { RookeryClient } from 'nestjs-rookery';

declare global {
  interface Order { id: string; total: number }
  interface Line { sku: string }
  const client: RookeryClient;
  const app: INestApplication;
  const OrdersModule: Type;
  const SettingsModule: Type;
  class Settings {
    get(name: 'PORT'): number;
    get(name: 'REGISTRY'): string;
  }
  function loadPage(page: number): Promise<Line[]>;
}
`;
