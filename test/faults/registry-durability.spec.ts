import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import type { ServiceInstance } from '../../lib/core/instance.js';
import { seededRng } from '../../lib/core/random.js';
import { RegistryPattern } from '../../lib/embedded/registry-protocol.js';
import { RegistryServer } from '../../lib/embedded/registry-server.js';
import { bundle, type Bundle } from '../unit/embedded/support/bundle.js';
import { dataFolder } from '../unit/embedded/support/data-folder.js';
import { directLink, type DirectLink } from '../unit/embedded/support/direct-link.js';
import { RegistryProcess } from '../unit/embedded/support/registry-process.js';
import { order } from '../unit/embedded/support/stage.js';

const KILLS = 50;
const WRITERS = 4;
const IDS_EACH = 12;
const SEED = 7_665;

let script: Bundle;
let registry: RegistryProcess | undefined;

beforeAll(async () => {
  script = await bundle('test/unit/embedded/support/registry-child.ts');
});

afterAll(() => script.remove());

afterEach(() => registry?.kill());

it(
  `knows after each of ${KILLS} kills, at random moments of many writes, everything it acknowledged`,
  { timeout: 180_000 },
  async () => {
    const rng = seededRng(SEED);
    const dir = dataFolder();
    const writers = Array.from({ length: WRITERS }, (_, n) => new Writer(n, rng));
    let acknowledged = 0;
    let generations = 0;
    for (let kill = 0; kill <= KILLS; kill++) {
      // Every other one compacts its log all the time.
      registry = await RegistryProcess.start(script.script, {
        dataDir: dir,
        ttl: '1h',
        maxLogBytes: kill % 2 === 0 ? 0 : 20_000,
      });
      const { port } = registry;
      const reader = await directLink(port);
      const found = new Map(
        ((await reader.ask(RegistryPattern.INSTANCES, { serviceName: 'orders' })) as ServiceInstance[]).map(revisionOf),
      );
      for (const writer of writers) expect(writer.contradictions(found), `seed ${SEED}, kill ${kill}`).toEqual([]);
      if (kill === KILLS) break;
      for (const writer of writers) writer.believe(found);
      const links = await Promise.all(writers.map(() => directLink(port)));
      const writing = writers.map((writer, n) => writer.write(links[n]!));
      await sleep(20 + rng() * 60);
      await registry.kill();
      await Promise.all(writing);
      acknowledged += writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
      generations = Math.max(
        ...readdirSync(join(dir, 'registry')).map((name) => Number(/^(?:log|snapshot)-(\d+)/.exec(name)?.[1] ?? 0)),
      );
    }
    console.log(`${acknowledged} acknowledged writes, ${generations} generations of the log, seed ${SEED}`);
    expect(acknowledged).toBeGreaterThan(KILLS * 10);
    expect(generations).toBeGreaterThan(KILLS);
    expect(readdirSync(join(dir, 'registry')).filter((name) => name.includes('corrupt'))).toEqual([]);
  },
);

/** What an instance may be after a kill: its revision, or `undefined` for none. Two where the last write was not answered. */
type Possible = (string | undefined)[];

/** Registers and deregisters instances of its own, several at a time, until its connection breaks. */
class Writer {
  acknowledged = 0;
  private readonly known = new Map<string, Possible>();
  private revision = 0;

  constructor(
    private readonly number: number,
    private readonly rng: () => number,
  ) {
    for (let n = 0; n < IDS_EACH; n++) this.known.set(`w${number}-${n}`, [undefined]);
  }

  contradictions(found: ReadonlyMap<string, string>): unknown[] {
    return [...this.known]
      .filter(([id, possible]) => !possible.includes(found.get(id)))
      .map(([id, possible]) => ({ id, possible, found: found.get(id) }));
  }

  /** Whatever came of the unanswered writes is known now. */
  believe(found: ReadonlyMap<string, string>): void {
    for (const id of this.known.keys()) this.known.set(id, [found.get(id)]);
  }

  async write(link: DirectLink): Promise<void> {
    this.acknowledged = 0;
    await Promise.all([...this.known.keys()].map((id) => this.keepWriting(link, id)));
  }

  private async keepWriting({ connection, ask }: DirectLink, id: string): Promise<void> {
    for (;;) {
      const isPut = this.rng() < 0.7;
      const revision = isPut ? `${this.number}.${++this.revision}` : undefined;
      this.known.get(id)!.push(revision);
      const record = order(id, isPut ? { metadata: { revision: revision! } } : {});
      try {
        await ask(isPut ? RegistryPattern.REGISTER : RegistryPattern.DEREGISTER, record);
      } catch (error) {
        if (connection.state === 'ready') throw error;
        return;
      }
      this.known.set(id, [revision]);
      this.acknowledged++;
    }
  }
}

function revisionOf({ instanceId, metadata }: ServiceInstance): [string, string] {
  return [instanceId, metadata['revision']!];
}

it(
  'keeps its folder while it stands still, and leaves it to the next one when it is killed',
  { timeout: 30_000 },
  async () => {
    const dataDir = dataFolder();
    registry = await RegistryProcess.start(script.script, { dataDir });
    registry.child.kill('SIGSTOP');
    const second = new RegistryServer({ port: 0, dataDir });
    await expect(second.listen()).rejects.toMatchObject({ reason: 'DATA_DIR_UNUSABLE' });
    await registry.kill();
    await second.listen();
    await second.close();
  },
);
