import { systemClock } from '../../../../lib/core/clock.js';
import { serviceInstance } from '../../../../lib/core/instance.js';
import { systemRng } from '../../../../lib/core/random.js';
import { Registrar } from '../../../../lib/discovery/registrar.js';
import { embeddedRegistry } from '../../../../lib/embedded/embedded-registry.js';

/** What a member tells its parent whenever it changes. */
export interface MemberReport {
  readonly id: string;
  readonly isHost: boolean;
  readonly state: string;
  readonly ids: readonly string[];
}

const [port, id] = process.argv.slice(2) as [string, string];

/** One process of a colony that nobody told where its registry is. */
const registry = embeddedRegistry({ port: Number(port), ttl: '2s' });
const registrar = new Registrar({ registry, clock: systemClock, rng: systemRng, options: { heartbeat: '500ms' } });

registry.watchInstances('colony', (resolution) => {
  const ids = resolution.state === 'found' ? resolution.instances.map(({ instanceId }) => instanceId).toSorted() : [];
  process.send?.({ id, isHost: registry.isHost, state: resolution.state, ids } satisfies MemberReport);
});
void registrar.start(serviceInstance({ instanceId: id, serviceName: 'colony', ip: '127.0.0.1', port: 4_000 }));

/** Who lost its parent ends at once; who is asked to leave does so in order, and must then have nothing left to do. */
const abandon = () => process.exit(1);
process.once('disconnect', abandon);
process.once('message', () => void leave());

async function leave(): Promise<void> {
  await registrar.close();
  await registry.close();
  process.off('disconnect', abandon);
  process.disconnect();
}
