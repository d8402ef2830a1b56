/** Entry of the registry's process. */
import { setTimeout as pause } from 'node:timers/promises';

import { RegistryServer } from 'nestjs-rookery';

import { answerWith } from './answering.js';

let server: RegistryServer | undefined;
let port = 0;

answerWith({
  /** @returns its port */
  async open(): Promise<number> {
    server = new RegistryServer({ port });
    ({ port } = await server.listen());
    return port;
  },

  /** Goes, and comes back without what it knew, on the same port. */
  async restart(awayMs: number): Promise<void> {
    await server?.close();
    await pause(awayMs);
    server = new RegistryServer({ port });
    await server.listen();
  },

  async stats(): Promise<unknown> {
    return server?.stats();
  },
});
