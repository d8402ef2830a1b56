import { expect, it } from 'vitest';

import { RookeryServer, type RookeryError } from '../../lib/index.js';
import { Colony, errorOf, eventually } from './colony.js';

it('a server counts whom it refused, by reason, and tells who listens', async () => {
  const colony = new Colony();
  const told: [string, string][] = [];
  const { server } = await colony.service({ options: { auth: { secrets: ['correct horse battery staple'] } } });
  expect(server).toBeInstanceOf(RookeryServer);
  server.on('refused', (error: RookeryError, address: string) => told.push([error.reason, address]));
  const stranger = colony.client({ auth: { secrets: ['a secret of somebody else'] }, retry: false });
  expect(await errorOf(stranger.call('orders.get'))).toMatchObject({ reason: 'AUTHENTICATION_FAILED' });
  await eventually(() => told.length > 0);
  expect(server.refusals['AUTHENTICATION_FAILED']).toBe(told.length);
  expect(told[0]).toEqual(['AUTHENTICATION_FAILED', expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
});
