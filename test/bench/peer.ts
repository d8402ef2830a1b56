/** Entry of the spawned processes: `peer.js <role> <system>`; main asks through the IPC channel. */
import 'reflect-metadata';

import { ClientPeer } from './client-peer.js';
import type { PeerReply, PeerRequest, PeerRole, PeerRoles } from './peer-protocol.js';
import { PickerPeer } from './pick.js';
import { ServerPeer } from './server-peer.js';

type Method = (...parameters: readonly unknown[]) => Promise<unknown>;

const [role, system] = process.argv.slice(2) as [PeerRole, string];
const peer = createPeer(role, system) as unknown as Record<string, Method>;

process.on('message', (request: PeerRequest) => void answer(request));
// Main is gone, however it went.
process.once('disconnect', () => process.exit());

async function answer({ id, method, parameters }: PeerRequest): Promise<void> {
  const reply: PeerReply = await peer[method]!(...parameters).then(
    (result) => ({ id, result }),
    (error: unknown) => ({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
  process.send?.(reply);
}

function createPeer(peerRole: PeerRole, systemName: string): PeerRoles[PeerRole] {
  switch (peerRole) {
    case 'server':
      return new ServerPeer(systemName);
    case 'client':
      return new ClientPeer(systemName);
    case 'picker':
      return new PickerPeer(systemName);
  }
}
