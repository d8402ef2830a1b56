import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { embeddedRegistry, type EmbeddedRegistry } from '../../lib/embedded/embedded-registry.js';
import { until } from '../../lib/testing/waiting.js';
import { bundle, type Bundle } from '../unit/embedded/support/bundle.js';
import type { MemberReport } from '../unit/embedded/support/colony-member.js';
import { freePort } from '../unit/embedded/support/free-port.js';

/** Far more than it takes; see the assertions for what is promised. */
const PATIENCE_MS = 10_000;

let member: Bundle;
let colony: Member[] = [];

beforeAll(async () => {
  member = await bundle('test/unit/embedded/support/colony-member.ts');
});

afterAll(() => member.remove());

afterEach(() => {
  for (const { child } of colony) child.kill('SIGKILL');
  colony = [];
});

describe('processes that were told no address', { timeout: 30_000 }, () => {
  it('find each other, and again after the one that hosts the registry was killed', async () => {
    const port = await freePort();
    colony = ['a', 'b', 'c'].map((id) => new Member(member.script, port, id));
    await allSee(['a', 'b', 'c']);
    expect(hosts()).toHaveLength(1);

    const [host] = hosts();
    host!.child.kill('SIGKILL');
    const killedAtMs = performance.now();
    const survivors = colony.filter((one) => one !== host);
    const ids = survivors.map(({ id }) => id);

    const probe = embeddedRegistry({ address: `127.0.0.1:${port}`, callTimeout: '1s' });
    await registered(probe, ids);
    expect(performance.now() - killedAtMs, 'ms until everybody is registered again').toBeLessThan(5_000);
    await probe.close();

    await allSee(ids, survivors);
    expect(survivors.filter(({ report }) => report.isHost)).toHaveLength(1);
    for (const { history } of survivors) expect(history.some(({ state }) => state === 'absent')).toBe(false);
  });

  it('go on when the host leaves in order, and the last one leaves nothing running', async () => {
    const port = await freePort();
    colony = ['a', 'b'].map((id) => new Member(member.script, port, id));
    await allSee(['a', 'b']);
    const [host] = hosts();
    const [other] = colony.filter((one) => one !== host);

    expect(await host!.leave()).toBe(0);
    await allSee([other!.id], [other!]);
    expect(other!.report.isHost).toBe(true);
    expect(await other!.leave()).toBe(0);
  });
});

class Member {
  readonly child: ChildProcess;
  readonly history: MemberReport[] = [];

  constructor(
    script: string,
    port: number,
    readonly id: string,
  ) {
    this.child = fork(script, [String(port), id]);
    this.child.on('message', (report) => this.history.push(report as MemberReport));
  }

  get report(): MemberReport {
    return this.history.at(-1) ?? { id: this.id, isHost: false, state: 'pending', ids: [] };
  }

  /** @returns the exit code */
  async leave(): Promise<number | null> {
    const ended = once(this.child, 'exit');
    this.child.send('leave');
    const [code] = (await ended) as [number | null];
    return code;
  }
}

function hosts(): Member[] {
  return colony.filter(({ report }) => report.isHost);
}

async function allSee(ids: string[], members = colony): Promise<void> {
  const seen = () => members.map(({ report }) => report.ids.join());
  await until(`all see ${ids.join()}`, () => seen().every((one) => one === ids.join()), PATIENCE_MS, seen);
}

/** What the registry itself knows; watchers also keep what they knew before. */
async function registered(probe: EmbeddedRegistry, ids: string[]): Promise<void> {
  const known = async () => {
    const instances = await probe.getInstances('colony').catch(() => []);
    return instances
      .map(({ instanceId }) => instanceId)
      .toSorted()
      .join();
  };
  await until(`${ids.join()} are registered`, async () => (await known()) === ids.join(), PATIENCE_MS);
}
