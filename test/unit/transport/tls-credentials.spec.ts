import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import { TlsCredentials, tlsCredentials, type TlsEvent } from '../../../lib/transport/tls/credentials.js';
import type { TlsOptions } from '../../../lib/transport/tls/options.js';
import { ServerTls } from '../../../lib/transport/tls/server.js';
import { authority, type KeyedCertificate } from '../../support/certificates.js';
import { errorOf, eventually } from './support.js';
import { dialTls, serveTls, STRANGE, tlsFor, TRUSTED } from './tls-support.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rookery-tls-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string) => join(folder, name);

/** Written as they are: the old file's content is gone at once. */
function write({ cert, key }: KeyedCertificate, ca = TRUSTED.ca): void {
  writeFileSync(inFolder('tls.crt'), cert);
  writeFileSync(inFolder('tls.key'), key);
  writeFileSync(inFolder('ca.crt'), ca);
}

function fromFiles(options: TlsOptions = {}): TlsCredentials {
  return new TlsCredentials({
    cert: inFolder('tls.crt'),
    key: inFolder('tls.key'),
    ca: inFolder('ca.crt'),
    reload: false,
    ...options,
  });
}

function messageOf(options: unknown): string {
  try {
    return `nothing is wrong with ${new TlsCredentials(options as TlsOptions).settings.minVersion}`;
  } catch (error) {
    if (RookeryError.is(error) && error.reason === 'OPTION_INVALID') return error.message;
    throw error;
  }
}

const own = TRUSTED.issue(['orders']);
const other = TRUSTED.issue(['orders']);
const encryptedKey = encryptedWith('a passphrase', own.key);

describe('the options of TLS', () => {
  it.each<[string, unknown, RegExp]>([
    ['what is no object', true, /^tls: expected an object/],
    ['a certificate without its key', { cert: own.cert }, /^tls\.key: missing/],
    ['a key without its certificate', { key: own.key }, /^tls\.cert: missing/],
    [
      'a certificate file that is not there',
      { ...own, cert: '/nowhere/tls.crt' },
      /^tls\.cert: there is no such file: "\/nowhere\/tls\.crt"/,
    ],
    ['a key file that is not there', { ...own, key: './tls.key' }, /^tls\.key: there is no such file: "\.\/tls\.key"/],
    ['a CA file that is a folder', { ...own, ca: tmpdir() }, /^tls\.ca: the file cannot be read \(EISDIR\)/],
    ['a certificate that is none', { ...own, cert: Buffer.from('hello') }, /^tls\.cert: is no certificate/],
    ['a key in the place of the certificate', { ...own, cert: own.key }, /^tls\.cert: is no certificate/],
    ['a key that is none', { ...own, key: own.cert }, /^tls\.key: is no private key/],
    [
      'a chain with something else in it',
      { ...own, cert: `${own.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
      /^tls\.cert: cannot be used/,
    ],
    ['the key of another certificate', { ...own, key: other.key }, /^tls\.key: does not belong to the certificate/],
    ['an encrypted key without a passphrase', { ...own, key: encryptedKey }, /^tls\.passphrase: missing/],
    ['another passphrase', { ...own, key: encryptedKey, passphrase: 'wrong' }, /^tls\.passphrase: does not open/],
    ['an authority that is none', { ca: '-----BEGIN NOTHING-----' }, /^tls\.ca: has no certificate in it/],
    ['a damaged authority', { ca: TRUSTED.ca.replace('MII', 'MIJ') }, /^tls\.ca: is no certificate/],
    ['an empty list entry', { ca: [TRUSTED.ca, ''] }, /^tls\.ca\[1\]: expected PEM/],
    ['mutual without an authority', { ...own, mutual: true }, /^tls\.ca: missing; with tls\.mutual/],
    ['mutual that is no boolean', { ...own, mutual: 'yes' }, /^tls\.mutual: /],
    [
      'an old version',
      { ...own, minVersion: 'TLSv1.1' },
      /^tls\.minVersion: expected 'TLSv1\.2' or 'TLSv1\.3', got "TLSv1\.1"/,
    ],
    ['an empty name', { ...own, name: '' }, /^tls\.name: /],
    ['a time that is none', { ...own, reload: 'soon' }, /^tls\.reload: /],
    ['too short a time', { ...own, reload: 10 }, /^tls\.reload: /],
    ['a passphrase that is no string', { ...own, passphrase: 7 }, /^tls\.passphrase: /],
  ])('refuse %s by the name of the field', (_, options, message) => {
    expect(messageOf(options)).toMatch(message);
  });

  it('never show a key, however it was given', () => {
    const bare = own.key.split('\n').slice(1, -2).join('');
    const given = [bare, own.key.replace('-----BEGIN PRIVATE KEY-----\n', ''), Buffer.from(bare), own.key.slice(0, 80)];
    for (const key of given) expect(messageOf({ cert: own.cert, key })).not.toContain(bare.slice(0, 12));
  });

  it('are not printed with the key', () => {
    const key = own.key.split('\n')[1]!;
    const credentials = new TlsCredentials({ ...own, passphrase: 'a passphrase' });
    for (const text of [inspect({ tls: credentials }, { depth: 9 }), JSON.stringify({ tls: credentials })]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain('a passphrase');
      expect(text).toContain('orders');
    }
  });

  it('take text, Buffers, files, and an encrypted key with its passphrase', () => {
    write(own);
    const key = encryptedWith('a passphrase', own.key);
    for (const options of [
      { ...own, ca: [TRUSTED.ca, Buffer.from(STRANGE.ca)] },
      { cert: Buffer.from(own.cert), key: Buffer.from(own.key) },
      { cert: inFolder('tls.crt'), key: inFolder('tls.key'), ca: inFolder('ca.crt') },
      { cert: own.cert, key, passphrase: 'a passphrase' },
    ]) {
      expect(new TlsCredentials(options).certificate).toMatchObject({ names: ['orders'], validTo: expect.any(Date) });
    }
  });

  it('are mutual where an authority is given, unless they say otherwise', () => {
    expect(new TlsCredentials(own).settings.mutual).toBe(false);
    expect(new TlsCredentials({ ...own, ca: TRUSTED.ca }).settings.mutual).toBe(true);
    expect(new TlsCredentials({ ...own, ca: TRUSTED.ca, mutual: false }).settings.mutual).toBe(false);
  });

  it('of who listens need a certificate', () => {
    expect(() => new ServerTls(new TlsCredentials({ ca: TRUSTED.ca }))).toThrow(/^tls\.cert: missing; whoever listens/);
  });

  it('that were read once are shared as they are', () => {
    const shared = tlsCredentials(own);
    expect(tlsCredentials(shared)).toBe(shared);
  });
});

describe('a change of the files', () => {
  it('is for connections made from then on; those that stand go on', async () => {
    write(own);
    const credentials = fromFiles();
    const { port } = await serveTls(credentials);
    const before = await dialTls(port, tlsFor(['checkout']));
    const next = authority('Next');
    write(next.issue(['orders']), next.ca);
    expect(await credentials.reload()).toBe(true);
    expect(await errorOf(dialTls(port, tlsFor(['checkout'])))).toMatchObject({ reason: 'CERTIFICATE_REFUSED' });
    const after = new TlsCredentials({ ...next.issue(['checkout']), ca: next.ca });
    expect(await (await dialTls(port, after)).ask('echo', 'after')).toBe('after');
    expect(await before.ask('echo', 'before')).toBe('before');
  });

  it('is told, with the new certificate', async () => {
    write(own);
    const events: TlsEvent[] = [];
    const credentials = fromFiles({ onReload: (event) => events.push(event) });
    expect(await credentials.reload()).toBe(false);
    write(TRUSTED.issue(['orders', 'orders.internal']));
    expect(await credentials.reload()).toBe(true);
    expect(events).toEqual([{ type: 'reloaded', certificate: credentials.certificate }]);
    expect(credentials.certificate?.names).toEqual(['orders', 'orders.internal']);
  });

  it.each<[string, () => void, RegExp]>([
    ['a file that is gone', () => unlinkSync(inFolder('tls.key')), /^tls\.key: there is no such file/],
    [
      'a key that does not match yet',
      () => writeFileSync(inFolder('tls.crt'), other.cert),
      /^tls\.key: does not belong/,
    ],
    [
      'half a file',
      () => writeFileSync(inFolder('tls.crt'), other.cert.slice(0, 200)),
      /^tls\.cert: is no certificate/,
    ],
    ['an empty authority', () => writeFileSync(inFolder('ca.crt'), ''), /^tls\.ca: has no certificate/],
  ])('that cannot be used leaves everything as it was, and is told once: %s', async (_, damage, message) => {
    write(own);
    const events: TlsEvent[] = [];
    const credentials = fromFiles({ onReload: (event) => events.push(event) });
    const { certificate, context } = credentials;
    damage();
    expect((await errorOf(credentials.reload())).message).toMatch(message);
    await errorOf(credentials.reload());
    expect(events).toEqual([{ type: 'reload-failed', error: expect.objectContaining({ reason: 'OPTION_INVALID' }) }]);
    expect([credentials.certificate, credentials.context]).toEqual([certificate, context]);
    write(other);
    expect(await credentials.reload()).toBe(true);
    expect(events.at(-1)?.type).toBe('reloaded');
  });

  it('that cannot be used is a warning of the process where nobody listens, without a word of the key', async () => {
    write(own);
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => warn.mockRestore());
    const credentials = fromFiles();
    writeFileSync(inFolder('tls.key'), other.key);
    await errorOf(credentials.reload());
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]).toEqual([
      expect.stringMatching(/^TLS goes on with the former certificate.*tls\.key/),
      { code: 'ROOKERY_TLS_RELOAD' },
    ]);
  });

  it('is seen through a symbolic link that is swapped, as Kubernetes does', async () => {
    for (const [name, issued] of [
      ['..1', own],
      ['..2', other],
    ] as const) {
      mkdirSync(inFolder(name));
      writeFileSync(inFolder(join(name, 'tls.crt')), issued.cert);
      writeFileSync(inFolder(join(name, 'tls.key')), issued.key);
    }
    symlinkSync('..1', inFolder('..data'));
    const credentials = new TlsCredentials({ cert: inFolder('..data/tls.crt'), key: inFolder('..data/tls.key') });
    const before = credentials.certificate!.fingerprint;
    symlinkSync('..2', inFolder('..new'));
    renameSync(inFolder('..new'), inFolder('..data'));
    expect(await credentials.reload()).toBe(true);
    expect(credentials.certificate!.fingerprint).not.toBe(before);
  });

  it('is found by a server by itself, until it closes', async () => {
    write(own);
    const credentials = fromFiles({ reload: 100 });
    const { acceptor } = await serveTls(credentials);
    const before = credentials.certificate!.fingerprint;
    write(other);
    await eventually(() => credentials.certificate!.fingerprint !== before);
    const after = credentials.certificate!.fingerprint;
    const read = vi.spyOn(credentials, 'reload');
    await acceptor.close(0);
    write(own);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(read).not.toHaveBeenCalled();
    expect(credentials.certificate!.fingerprint).toBe(after);
  });

  it('is found by a client before it dials', async () => {
    const next = authority('Next');
    const { port } = await serveTls(new TlsCredentials({ ...next.issue(['orders']), ca: [next.ca, TRUSTED.ca] }));
    write(TRUSTED.issue(['checkout']));
    const credentials = fromFiles({ reload: 100 });
    expect(await errorOf(dialTls(port, credentials))).toMatchObject({ reason: 'CERTIFICATE_REFUSED' });
    writeFileSync(inFolder('ca.crt'), TRUSTED.ca + next.ca);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await (await dialTls(port, credentials)).ask('echo', 1)).toBe(1);
  });

  it('costs nothing where nothing comes from files', () => {
    const credentials = new TlsCredentials({ ...own, reload: 100 });
    const interval = vi.spyOn(globalThis, 'setInterval');
    onTestFinished(() => interval.mockRestore());
    credentials.watch()();
    expect(interval).not.toHaveBeenCalled();
    expect(credentials.refresh()).toBeUndefined();
  });
});

function encryptedWith(passphrase: string, key: string): string {
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string;
}
