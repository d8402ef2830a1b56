import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { freshNonce, KeyRing, SharedSecret } from '../../../lib/wire/auth.js';
import { errorOf } from './support.js';

const OLD = 'correct horse battery staple';
const NEW = 'tomorrow’s secret, of enough characters';
const CLIENT_HELLO = Buffer.from('{"client":1}');
const SERVER_HELLO = Buffer.from('{"server":1}');

const ringOf = (...secrets: string[]) => new KeyRing({ secrets });

describe('SharedSecret', () => {
  it('names a secret by the start of a hash, without telling it', () => {
    const { id } = new SharedSecret(OLD);
    expect(id).toBe(createHash('sha256').update(`rookery key id\n${OLD}`).digest('base64url').slice(0, 12));
    expect(id).toMatch(/^[\w-]{12}$/);
  });

  it('proves by HMAC-SHA-256 over role, sizes and the exact bytes of both hellos', () => {
    const secret = new SharedSecret(OLD);
    const sizes = Buffer.from([0, 0, 0, CLIENT_HELLO.length, 0, 0, 0, SERVER_HELLO.length]);
    const transcript = Buffer.concat([Buffer.from('rookery/1 client\n'), sizes, CLIENT_HELLO, SERVER_HELLO]);
    const expected = createHmac('sha256', OLD).update(transcript).digest('hex');
    expect(secret.prove('client', CLIENT_HELLO, SERVER_HELLO).toString('hex')).toBe(expected);
  });

  it('believes who knows the secret', () => {
    const proof = new SharedSecret(OLD).prove('client', CLIENT_HELLO, SERVER_HELLO);
    expect(new SharedSecret(OLD).verify('client', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(true);
  });

  it('does not believe a proof of the other role, so none can be sent back to its maker', () => {
    const secret = new SharedSecret(OLD);
    const proof = secret.prove('server', CLIENT_HELLO, SERVER_HELLO);
    expect(secret.verify('client', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(false);
  });

  it('does not believe a proof over other hellos, not even where only the border between them moved', () => {
    const secret = new SharedSecret(OLD);
    const proof = secret.prove('client', CLIENT_HELLO, SERVER_HELLO);
    const whole = Buffer.concat([CLIENT_HELLO, SERVER_HELLO]);
    expect(secret.verify('client', Buffer.from('{"client":2}'), SERVER_HELLO, proof)).toBe(false);
    expect(secret.verify('client', CLIENT_HELLO, Buffer.from('{"server":2}'), proof)).toBe(false);
    expect(secret.verify('client', whole.subarray(0, 5), whole.subarray(5), proof)).toBe(false);
  });

  it('does not believe a proof with any bit changed, too short, too long or empty', () => {
    const secret = new SharedSecret(OLD);
    const proof = secret.prove('client', CLIENT_HELLO, SERVER_HELLO);
    for (let bit = 0; bit < proof.length * 8; bit++) {
      const wrong = Buffer.from(proof);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(secret.verify('client', CLIENT_HELLO, SERVER_HELLO, wrong)).toBe(false);
    }
    for (const wrong of [Buffer.alloc(0), proof.subarray(1), Buffer.concat([proof, Buffer.alloc(1)])]) {
      expect(secret.verify('client', CLIENT_HELLO, SERVER_HELLO, wrong)).toBe(false);
    }
  });
});

describe('KeyRing', () => {
  const ids = (ring: KeyRing) => ring.current.map(({ id }) => id);

  it('knows old and new while a secret is rotated', () => {
    expect(ids(ringOf(NEW, OLD))).toEqual([new SharedSecret(NEW).id, new SharedSecret(OLD).id]);
  });

  it('asks a function for the secrets each time, and keeps what was given out', () => {
    let secrets = [OLD];
    const ring = new KeyRing({ secrets: () => secrets });
    const before = ring.current;
    secrets = [NEW, OLD];
    expect(ids(ring)).toEqual(ids(ringOf(NEW, OLD)));
    secrets = [NEW];
    expect(ids(ring)).toEqual(ids(ringOf(NEW)));
    expect(before[0]!.id).toBe(new SharedSecret(OLD).id);
  });

  it.each<[string, () => readonly string[]]>([
    [
      'throws',
      () => {
        throw new Error('no such file');
      },
    ],
    ['gives none', () => []],
    ['gives one that is too short', () => ['short']],
  ])('keeps the secrets it has where the function %s, and warns once', async (_, broken) => {
    let source: () => readonly string[] = () => [OLD];
    const ring = new KeyRing({ secrets: () => source() });
    const warned = once(process, 'warning') as Promise<[Error]>;
    source = broken;
    expect([ids(ring), ids(ring)]).toEqual([ids(ringOf(OLD)), ids(ringOf(OLD))]);
    const [{ message }] = await warned;
    expect(message).toContain('the secrets stay as they were');
    expect(message).not.toContain('short');
    source = () => [NEW];
    expect(ids(ring)).toEqual(ids(ringOf(NEW)));
  });

  it('refuses a function that gives none at the start', () => {
    expect(errorOf(() => new KeyRing({ secrets: () => [] }))).toMatchObject({ reason: 'OPTION_INVALID' });
  });

  it('is empty without options', () => {
    expect(new KeyRing(undefined).isEmpty).toBe(true);
    expect(ringOf(OLD).isEmpty).toBe(false);
  });

  it.each<[string, unknown, string]>([
    ['a secret of less than 16 characters', ['short'], 'auth.secrets[0]'],
    ['a secret that is no text', [OLD, 7], 'auth.secrets[1]'],
    ['more than eight secrets', Array.from({ length: 9 }, (_, index) => `${OLD} ${index}`), 'auth.secrets'],
    ['something else than a list', OLD, 'auth.secrets'],
  ])('refuses %s, names the field and never shows the secret', (_, secrets, path) => {
    const error = errorOf(() => new KeyRing({ secrets: secrets as string[] }));
    expect(error.reason).toBe('OPTION_INVALID');
    expect(error.message).toContain(`${path}:`);
    expect(error.message).not.toContain('short');
    expect(error.message).not.toContain(OLD);
  });
});

describe('freshNonce', () => {
  it('is 16 bytes in base64url, and never the same', () => {
    const nonces = new Set(Array.from({ length: 1_000 }, freshNonce));
    expect(nonces.size).toBe(1_000);
    for (const nonce of nonces) expect(nonce).toMatch(/^[\w-]{22}$/);
  });
});
