import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { PAYLOAD_BYTES } from '../payloads.js';
import type { System } from './system.js';

/**
 * As many bytes as the payload has go to and fro, a write per call, in order. There is nothing to decode, so replies are counted by
 * their length and not compared.
 */
export const floorEcho: System = {
  async serve() {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', (chunk) => socket.write(chunk));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { address: String(port), close: async () => server.close() };
  },

  async connect(address, { benchCase }) {
    if (benchCase.kind !== 'unary') throw new Error(`floor-echo cannot run ${benchCase.name}`);
    const socket = connect(Number(address), '127.0.0.1');
    await once(socket, 'connect');
    socket.setNoDelay(true);
    return { echo: echoOf(socket, PAYLOAD_BYTES[benchCase.payload]), close: async () => socket.destroy() };
  },
};

function echoOf<T>(socket: Socket, replyBytes: number): (payload: T) => Promise<T> {
  const request = Buffer.alloc(replyBytes, 'x');
  const waiting: (() => void)[] = [];
  let receivedBytes = 0;
  socket.on('data', (chunk) => {
    receivedBytes += chunk.length;
    for (; receivedBytes >= replyBytes; receivedBytes -= replyBytes) waiting.shift()!();
  });
  return (payload) =>
    new Promise((resolve) => {
      waiting.push(() => resolve(payload));
      socket.write(request);
    });
}
