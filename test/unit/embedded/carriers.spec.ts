import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi, onTestFinished } from 'vitest';

import { rookery } from '../../../lib/cli/rookery.js';
import { RegistryServer } from '../../../lib/embedded/registry-server.js';
import type { TlsOptions } from '../../../lib/transport/tls/options.js';
import { authority } from '../../support/certificates.js';
import { freePort } from './support/free-port.js';
import { client, clientOf, follow, order, served } from './support/stage.js';

const CA = authority();
const tlsFor = (names: readonly string[], options: TlsOptions = {}): TlsOptions => ({
  ...CA.issue(names),
  ca: CA.ca,
  ...options,
});
const REGISTRY = () => tlsFor(['rookery.registry']);

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rk-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a registry with TLS', () => {
  it('serves clients with a certificate of its authority', async () => {
    const { port } = await served({ tls: REGISTRY() });
    const registry = clientOf(port, { tls: tlsFor(['orders']) });
    const seen = follow(registry);
    await registry.register(order('o1'));
    await seen.sees('found');
    expect(await registry.getInstances('orders')).toMatchObject([{ instanceId: 'o1' }]);
  });

  it.each<[string, TlsOptions | undefined, string, RegExp]>([
    ['nothing', undefined, 'REGISTRY_UNREACHABLE', /set the option tls/],
    ['no certificate', { ca: CA.ca }, 'REGISTRY_UNREACHABLE', /wants a certificate/],
    [
      'a certificate of strangers',
      { ...authority().issue(['orders']), ca: CA.ca },
      'REGISTRY_DENIED',
      /not of an authority/,
    ],
    [
      'another authority',
      { ...CA.issue(['orders']), ca: authority().ca },
      'REGISTRY_UNREACHABLE',
      /not of an authority/,
    ],
  ])('serves nobody with %s, and says why', async (_, tls, reason, message) => {
    const { port } = await served({ tls: REGISTRY() });
    const error: unknown = await clientOf(port, { tls })
      .listServices()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason, message: expect.stringMatching(message) });
  });

  it('is not taken for one where its certificate is of a service', async () => {
    const { port } = await served({ tls: tlsFor(['orders']) });
    await expect(clientOf(port, { tls: tlsFor(['orders']) }).listServices()).rejects.toThrow(
      /not for "rookery\.registry"/,
    );
  });

  it('may listen beyond loopback, and warns where clients need no certificate', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => emitWarning.mockRestore());
    await served({ host: '0.0.0.0', tls: REGISTRY() });
    expect(emitWarning).not.toHaveBeenCalled();
    await served({ host: '0.0.0.0', tls: CA.issue(['rookery.registry']) });
    expect(emitWarning).toHaveBeenCalledOnce();
  });

  it('is hosted by one and joined by the other, and neither by who has no TLS', async () => {
    const port = await freePort();
    const [first, second] = [1, 2].map(() => client({ port, tls: tlsFor(['orders', 'rookery.registry']) })) as [
      ReturnType<typeof client>,
      ReturnType<typeof client>,
    ];
    await first.register(order('o1'));
    expect(await second.getInstances('orders')).toHaveLength(1);
    expect([first.isHost, second.isHost]).toEqual([true, false]);
    const plain = client({ port });
    await expect(plain.listServices()).rejects.toMatchObject({ reason: 'REGISTRY_UNREACHABLE' });
    expect(plain.isHost).toBe(false);
  });
});

describe('a registry on a Unix socket', () => {
  it("serves those who name it, and is this user's alone", async () => {
    const address = `unix:${join(folder, 'registry.sock')}`;
    const server = new RegistryServer({ host: address });
    onTestFinished(() => server.close());
    expect(await server.listen()).toEqual({ host: address, port: 0 });
    expect(statSync(join(folder, 'registry.sock')).mode & 0o777).toBe(0o600);
    const registry = client({ address });
    await registry.register(order('o1'));
    expect(await client({ address: [`unix:${folder}/none.sock`, address] }).listServices()).toEqual(['orders']);
    expect(registry.name).toBe(`embedded:${address}`);
  });

  it.each(['unix:registry.sock', 'unix:/run/../x', 'unix:'])('is not at %j', (address) => {
    expect(() => client({ address })).toThrow(/^embeddedRegistry\.address: .*'unix:\/path'/);
    expect(() => new RegistryServer({ host: address })).toThrow(/^registry\.host: /);
  });
});

describe('the command line', () => {
  it('runs and asks a registry with TLS on a Unix socket', async () => {
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const { cert, key } = CA.issue(['rookery.registry']);
    const tls = [
      '--tls-cert',
      file('tls.crt', cert),
      '--tls-key',
      file('tls.key', key),
      '--tls-ca',
      file('ca.crt', CA.ca),
    ];
    const address = `unix:${join(folder, 'registry.sock')}`;
    const asked: Printed[] = [];
    const { code, out } = await run(['registry', '--host', address, ...tls], async () => {
      asked.push(await run(['stats', '--address', address, ...tls]), await run(['stats', '--address', address]));
    });
    expect([code, out]).toEqual([0, `registry listening on ${address}`]);
    expect(asked).toMatchObject([{ code: 0 }, { code: 1, err: expect.stringContaining('set the option tls') }]);
  });

  it('ends with 2 where the files of TLS are not there', async () => {
    const { code, err } = await run(['registry', '--tls-cert', '/nowhere/tls.crt', '--tls-key', '/nowhere/tls.key']);
    expect(code).toBe(2);
    expect(err).toContain('tls.cert: there is no such file: "/nowhere/tls.crt"');
  });
});

interface Printed {
  code: number;
  out: string;
  err: string;
}

async function run(args: string[], untilStopped: () => Promise<void> = async () => undefined): Promise<Printed> {
  const [out, err]: string[][] = [[], []];
  const print = (line: string) => void out!.push(line);
  const complain = (line: string) => void err!.push(line);
  const code = await rookery(args, { env: {}, print, complain, untilStopped });
  return { code, out: out!.join('\n'), err: err!.join('\n') };
}
