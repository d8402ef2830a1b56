import { fork, type ChildProcess } from 'node:child_process';

import { fromRoot } from '../support/root.js';

/** A process that serves `orders` (see doomed-orders.mjs). */
export interface OrdersProcess {
  readonly child: ChildProcess;
  readonly instanceId: string;
}

/** @param journal file in which it notes every order it places, before it answers */
export async function startOrders(registryAddress: string, journal = '/dev/null'): Promise<OrdersProcess> {
  const child = fork(fromRoot('test/faults/doomed-orders.mjs'), [registryAddress, journal], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const message = await new Promise<{ instanceId: string }>((resolve, reject) => {
    child.once('message', resolve as (message: unknown) => void);
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it served`)));
  });
  return { child, instanceId: message.instanceId };
}
