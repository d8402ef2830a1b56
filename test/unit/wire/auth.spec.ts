import { createHash, createHmac } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { freshNonce, KeyRing } from '../../../lib/wire/auth.js';
import { errorOf } from './support.js';

const OLD = 'correct horse battery staple';
const NEW = 'tomorrow’s secret, of enough characters';
const CLIENT_HELLO = Buffer.from('{"client":1}');
const SERVER_HELLO = Buffer.from('{"server":1}');

const ringOf = (...secrets: string[]) => new KeyRing({ secrets });

describe('KeyRing', () => {
  it('names a secret by the start of a hash, without telling it', () => {
    const [id] = ringOf(OLD).ids;
    expect(id).toBe(createHash('sha256').update(`rookery key id\n${OLD}`).digest('base64url').slice(0, 12));
    expect(id).toMatch(/^[\w-]{12}$/);
  });

  it('proves by HMAC-SHA-256 over role, sizes and the exact bytes of both hellos', () => {
    const ring = ringOf(OLD);
    const sizes = Buffer.from([0, 0, 0, CLIENT_HELLO.length, 0, 0, 0, SERVER_HELLO.length]);
    const transcript = Buffer.concat([Buffer.from('rookery/1 client\n'), sizes, CLIENT_HELLO, SERVER_HELLO]);
    const expected = createHmac('sha256', OLD).update(transcript).digest('hex');
    expect(ring.prove(ring.ids[0]!, 'client', CLIENT_HELLO, SERVER_HELLO).toString('hex')).toBe(expected);
  });

  it('believes who knows the secret', () => {
    const proof = ringOf(OLD).prove(ringOf(OLD).ids[0]!, 'client', CLIENT_HELLO, SERVER_HELLO);
    expect(ringOf(OLD).verify(ringOf(OLD).ids[0]!, 'client', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(true);
  });

  it('does not believe a proof of the other role, so none can be sent back to its maker', () => {
    const ring = ringOf(OLD);
    const proof = ring.prove(ring.ids[0]!, 'server', CLIENT_HELLO, SERVER_HELLO);
    expect(ring.verify(ring.ids[0]!, 'client', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(false);
  });

  it('does not believe a proof over other hellos, not even where only the border between them moved', () => {
    const ring = ringOf(OLD);
    const [id] = ring.ids as [string];
    const proof = ring.prove(id, 'client', CLIENT_HELLO, SERVER_HELLO);
    const whole = Buffer.concat([CLIENT_HELLO, SERVER_HELLO]);
    expect(ring.verify(id, 'client', Buffer.from('{"client":2}'), SERVER_HELLO, proof)).toBe(false);
    expect(ring.verify(id, 'client', CLIENT_HELLO, Buffer.from('{"server":2}'), proof)).toBe(false);
    expect(ring.verify(id, 'client', whole.subarray(0, 5), whole.subarray(5), proof)).toBe(false);
  });

  it('does not believe a proof with any bit changed, too short, too long or empty', () => {
    const ring = ringOf(OLD);
    const [id] = ring.ids as [string];
    const proof = ring.prove(id, 'client', CLIENT_HELLO, SERVER_HELLO);
    for (let bit = 0; bit < proof.length * 8; bit++) {
      const wrong = Buffer.from(proof);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(ring.verify(id, 'client', CLIENT_HELLO, SERVER_HELLO, wrong)).toBe(false);
    }
    for (const wrong of [Buffer.alloc(0), proof.subarray(1), Buffer.concat([proof, Buffer.alloc(1)])]) {
      expect(ring.verify(id, 'client', CLIENT_HELLO, SERVER_HELLO, wrong)).toBe(false);
    }
  });

  it('does not believe a proof under a key it does not have, not even one it would make itself', () => {
    const ring = ringOf(OLD);
    const proof = ring.prove('unknown-id', 'client', CLIENT_HELLO, SERVER_HELLO);
    expect(ring.verify('unknown-id', 'client', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(false);
  });

  it('knows old and new while a secret is rotated', () => {
    const both = ringOf(NEW, OLD);
    expect(both.ids).toEqual([...ringOf(NEW).ids, ...ringOf(OLD).ids]);
    for (const id of both.ids) {
      const proof = both.prove(id, 'server', CLIENT_HELLO, SERVER_HELLO);
      expect(both.verify(id, 'server', CLIENT_HELLO, SERVER_HELLO, proof)).toBe(true);
    }
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
