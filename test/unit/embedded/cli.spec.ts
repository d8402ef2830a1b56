import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { rookery } from '../../../lib/cli/rookery.js';
import { until } from '../../../lib/testing/waiting.js';
import { manifest } from '../../support/root.js';
import { bundle, type Bundle } from './support/bundle.js';
import { dataFolder } from './support/data-folder.js';
import { freePort } from './support/free-port.js';
import { clientOf, order, served } from './support/stage.js';

const SECRET = 'a secret of sixteen characters or more';

describe('the command line', () => {
  it('explains itself, and says its version', async () => {
    for (const flag of ['--help', '-h']) {
      const { code, out } = await run(flag);
      expect(code).toBe(0);
      for (const word of ['registry', 'services', 'instances', 'stats', '--secret-env', '7665'])
        expect(out).toContain(word);
    }
    expect(await run('registry', '--help')).toMatchObject({ code: 0 });
    expect(await run('--version')).toEqual({ code: 0, out: manifest().version, err: '' });
  });

  it.each([
    [[], 'which command?'],
    [['regsitry'], 'unknown command "regsitry"'],
    [['toString'], 'unknown command "toString"'],
    [['registry', '--prot', '9000'], "'--prot'"],
    [['registry', '--port'], '--port'],
    [['registry', '--port', 'x'], '--port: expected 0 to 65535, got "x"'],
    [['registry', '--port', '70000'], '--port'],
    [['registry', '--ttl', 'soon'], 'registry.ttl'],
    [['registry', '--secret-env', 'NOT_THERE'], 'the environment has no NOT_THERE'],
    [['registry', 'now'], 'unexpected argument "now"'],
    [['instances'], '<service> is missing'],
    [['instances', 'a', 'b'], 'unexpected argument "b"'],
    [['services', '--address', 'a b'], 'embeddedRegistry.address'],
  ])('ends with 2, the reason and what to do for %j', async (args, reason) => {
    const { code, out, err } = await run(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(reason);
    expect(err).toContain('Try "rookery --help".');
  });

  it('ends with 1 where the registry does not answer, or refuses', async () => {
    const port = await freePort();
    const absent = await run('services', '--address', `127.0.0.1:${port}`);
    expect(absent).toMatchObject({ code: 1, out: '' });
    expect(absent.err).toContain(`127.0.0.1:${port}`);
    const { port: guarded } = await served({ auth: { secrets: [SECRET] } });
    expect((await run('stats', '--address', `127.0.0.1:${guarded}`)).err).toMatch(/refuses this client/);
    expect(await run('registry', '--host', '0.0.0.0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('insecure'),
    });
  });
});

describe('what the command line shows of a registry', () => {
  it('are its services, by name', async () => {
    const { address, registry } = await filled();
    expect(await run('services', ...address)).toEqual({ code: 0, out: 'orders\npayments', err: '' });
    expect((await run('services', ...address, '--json')).out).toBe('[\n  "orders",\n  "payments"\n]');
    await registry.register(order('o9', { namespaceId: 'staging', serviceName: 'shipping' }));
    expect((await run('services', ...address, '--namespace', 'staging')).out).toBe('shipping');
  });

  it('are the instances of a service, as a table or as JSON', async () => {
    const { address } = await filled();
    const { out } = await run('instances', 'orders', ...address);
    expect(out.split('\n')).toEqual([
      'INSTANCE  ADDRESS        STATUS         HEALTHY  WEIGHT  VERSION',
      'o1        10.0.0.1:4000  up             yes      1       0.0.0',
      'o2        [::1]:4000     up (disabled)  no       2.5     2.0.0',
    ]);
    expect(JSON.parse((await run('instances', 'orders', ...address, '--json')).out)).toHaveLength(2);
    expect(await run('instances', 'unheard-of', ...address)).toEqual({ code: 0, out: '', err: '' });
  });

  it('is what it says about itself', async () => {
    const { address } = await filled();
    expect((await run('stats', ...address)).out).toMatch(/^instances +3$/m);
    expect(JSON.parse((await run('stats', ...address, '--json')).out)).toMatchObject({ instances: 3, isWarming: true });
  });

  it('comes from the registry that ROOKERY_REGISTRY names, with the secret from the environment', async () => {
    const { port } = await served({ auth: { secrets: [SECRET] } });
    const env = { ROOKERY_REGISTRY: `127.0.0.1:${port}`, NEW_SECRET: `new ${SECRET}`, MY_SECRET: SECRET };
    const secrets = ['--secret-env', 'NEW_SECRET', '--secret-env', 'MY_SECRET'];
    expect(await runIn(env, 'services', ...secrets)).toEqual({ code: 0, out: '', err: '' });
  });

  it('steers no terminal', async () => {
    const { port } = await served();
    await clientOf(port).register(order('o1', { serviceName: 'orders', version: '1\u009b31m' }));
    expect((await run('instances', 'orders', '--address', `127.0.0.1:${port}`)).out).toContain('1?31m');
  });
});

describe('rookery registry', { timeout: 15_000 }, () => {
  let cli: Bundle;
  beforeAll(async () => {
    cli = await bundle('lib/cli/main.ts');
  });
  afterAll(() => cli.remove());

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'prints one line when it is ready, serves, and ends with 0 on %s',
    async (signal) => {
      const child = spawn(
        process.execPath,
        [cli.script, 'registry', '--port', '0', '--ttl', '3s', '--secret-env', 'S'],
        {
          env: { ...process.env, S: SECRET },
        },
      );
      onTestFinished(() => void child.kill('SIGKILL'));
      const lines: string[] = [];
      const errors: string[] = [];
      createInterface(child.stdout).on('line', (line) => lines.push(line));
      createInterface(child.stderr).on('line', (line) => errors.push(line));
      await once(child.stdout, 'data');
      const port = Number(/^registry listening on 127\.0\.0\.1:(\d+)$/.exec(lines[0] ?? '')?.[1]);

      const registry = clientOf(port, { auth: { secrets: [SECRET] } });
      registry.watchInstances('orders', () => undefined);
      await registry.register(order('o1'));
      expect(registry.leaseTtlMs).toBe(3_000);

      const ended = once(child, 'exit');
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
      expect(lines).toHaveLength(1);
      expect(errors).toEqual([]);
    },
  );

  it('ends with 1 and the reason where its port is in use', async () => {
    const { port } = await served();
    const child = spawn(process.execPath, [cli.script, 'registry', '--port', String(port)]);
    const errors: string[] = [];
    createInterface(child.stderr).on('line', (line) => errors.push(line));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(errors).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
  });
});

interface Printed {
  code: number;
  out: string;
  err: string;
}

function run(...args: string[]): Promise<Printed> {
  return runIn({}, ...args);
}

async function runIn(env: Record<string, string>, ...args: string[]): Promise<Printed> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await rookery(args, {
    env,
    print: (line) => void out.push(line),
    complain: (line) => void err.push(line),
    untilStopped: async () => undefined,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function filled() {
  const { port } = await served();
  const registry = clientOf(port);
  await registry.register(order('o1'));
  await registry.register(order('o2', { ip: '::1', enabled: false, healthy: false, weight: 2.5, version: '2.0.0' }));
  await registry.register(order('p1', { serviceName: 'payments' }));
  return { registry, address: ['--address', `127.0.0.1:${port}`] };
}

describe('the registry command with --data-dir', () => {
  it('knows after a restart what was registered', async () => {
    const dir = dataFolder();
    for (const round of [1, 2]) {
      let stop = () => {};
      const printed: string[] = [];
      const running = rookery(['registry', '--port', '0', '--data-dir', dir], {
        env: {},
        print: (line) => printed.push(line),
        complain: () => undefined,
        untilStopped: () => new Promise<void>((resolve) => (stop = resolve)),
      });
      await until('it listens', () => printed.length > 0, 5_000);
      const address = printed[0]!;
      const registry = clientOf(Number(address.split(':').at(-1)));
      if (round === 1) await registry.register(order('o1'));
      expect(await registry.getInstances('orders')).toEqual([order('o1')]);
      await registry.close();
      stop();
      expect(await running).toBe(0);
    }
  });

  it('ends with 1 and the reason where another one uses the folder', async () => {
    const dir = dataFolder();
    await served({ dataDir: dir });
    const second = await run('registry', '--port', '0', '--data-dir', dir);
    expect(second).toMatchObject({ code: 1, out: '' });
    expect(second.err).toContain('another registry uses it');
  });
});
