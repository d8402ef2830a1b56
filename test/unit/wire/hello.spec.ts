import { describe, expect, it } from 'vitest';

import {
  decodeClientHello,
  decodeServerHello,
  encodeHello,
  inForce,
  negotiate,
  type ClientHello,
  type ServerHello,
} from '../../../lib/wire/hello.js';
import { errorOf } from './support.js';

const LIMITS = { maxFrameBytes: 65_536, streamWindowBytes: 4_096, maxInFlight: 8 };

const CLIENT: ClientHello = {
  service: 'checkout',
  instance: 'checkout-1',
  versions: [1],
  codecs: ['msgpack', 'json'],
  nonce: 'AAECAwQFBgcICQoLDA0ODw',
  limits: LIMITS,
  keys: ['k1'],
  required: [],
};

const SERVER: ServerHello = {
  service: 'orders',
  instance: 'orders-1',
  version: 1,
  codec: 'msgpack',
  nonce: 'AAECAwQFBgcICQoLDA0ODw',
  limits: LIMITS,
  key: 'k1',
};

const many = (count: number) => Array.from({ length: count }, (_, index) => `name-${index}`);

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('a HELLO', () => {
  it('is what it was, after the wire', () => {
    expect(decodeClientHello(encodeHello(CLIENT))).toEqual(CLIENT);
    expect(decodeServerHello(encodeHello(SERVER))).toEqual(SERVER);
  });

  it('may carry fields that this end does not know', () => {
    const limits = { ...LIMITS, streams: 3 };
    expect(decodeClientHello(json({ ...CLIENT, limits, region: 'eu', features: { gzip: true } }))).toEqual(CLIENT);
    expect(decodeServerHello(json({ ...SERVER, limits, build: 'x' }))).toEqual(SERVER);
  });

  it('of a client may leave out keys and required extensions', () => {
    const { keys: _keys, required: _required, ...rest } = CLIENT;
    expect(decodeClientHello(json(rest))).toEqual({ ...CLIENT, keys: [], required: [] });
  });

  it('names the optional extensions its sender knows, if it knows any', () => {
    const extensions = ['example.com/gzip', 'load'];
    expect(decodeClientHello(encodeHello({ ...CLIENT, extensions })).extensions).toEqual(extensions);
    expect(decodeServerHello(encodeHello({ ...SERVER, extensions })).extensions).toEqual(extensions);
    expect(encodeHello(CLIENT).toString()).not.toContain('extensions');
  });

  it('of a server may leave out the key', () => {
    const { key: _key, ...rest } = SERVER;
    expect(decodeServerHello(json(rest)).key).toBeUndefined();
  });

  it('of a caller that serves nothing has an empty service', () => {
    expect(decodeClientHello(json({ ...CLIENT, service: '', instance: '' }))).toMatchObject({
      service: '',
      instance: '',
    });
  });

  it.each<[string, object]>([
    ['no service', { service: undefined }],
    ['a service that is no text', { service: 7 }],
    ['a service of more than 256 characters', { service: 'x'.repeat(257) }],
    ['an instance with a line break, which would forge a line of a log', { instance: 'a\nb' }],
    ['an instance with an escape sequence', { instance: '\u001b[2J' }],
    ['no nonce', { nonce: undefined }],
    ['a nonce of less than 16 bytes', { nonce: 'AAECAwQFBgcICQoLDA0OD' }],
    ['a nonce that is no base64url', { nonce: 'AAECAwQFBgcICQoLDA0OD+' }],
    ['no limits', { limits: undefined }],
    ['limits that are null', { limits: null }],
    ['a frame limit under 16 KiB', { limits: { ...LIMITS, maxFrameBytes: 16_383 } }],
    ['a frame limit over 32 bits', { limits: { ...LIMITS, maxFrameBytes: 2 ** 32 } }],
    ['a stream window of 0', { limits: { ...LIMITS, streamWindowBytes: 0 } }],
    ['a broken number of calls', { limits: { ...LIMITS, maxInFlight: 1.5 } }],
    ['a number of calls as text', { limits: { ...LIMITS, maxInFlight: '8' } }],
    ['extensions that are no list', { extensions: 'gzip' }],
    ['an extension that is no text', { extensions: [1] }],
    ['more than 16 extensions', { extensions: many(17) }],
  ])('is refused with %s', (_, wrong) => {
    expect(errorOf(() => decodeClientHello(json({ ...CLIENT, ...wrong }))).reason).toBe('FRAME_MALFORMED');
    expect(errorOf(() => decodeServerHello(json({ ...SERVER, ...wrong }))).reason).toBe('FRAME_MALFORMED');
  });

  it.each<[string, object]>([
    ['versions that are no list', { versions: 1 }],
    ['a version that is no number', { versions: ['1'] }],
    ['no codecs', { codecs: undefined }],
    ['more than 16 codecs', { codecs: many(17) }],
    ['a codec that is no text', { codecs: [{}] }],
    ['keys that are no list', { keys: 'k1' }],
    ['required extensions that are null', { required: null }],
  ])('of a client is refused with %s', (_, wrong) => {
    expect(errorOf(() => decodeClientHello(json({ ...CLIENT, ...wrong }))).reason).toBe('FRAME_MALFORMED');
  });

  it('of a server is refused without a version or a codec', () => {
    expect(errorOf(() => decodeServerHello(json({ ...SERVER, version: undefined }))).reason).toBe('FRAME_MALFORMED');
    expect(errorOf(() => decodeServerHello(json({ ...SERVER, codec: 1 }))).reason).toBe('FRAME_MALFORMED');
  });

  it('of a server is refused with a key that is no text, rather than taken for one without', () => {
    expect(errorOf(() => decodeServerHello(json({ ...SERVER, key: 7 }))).reason).toBe('FRAME_MALFORMED');
  });

  it.each(['', 'nope', '[]', 'null', '1', '"hello"', '{"service":'])('is refused where it is %j', (text) => {
    expect(errorOf(() => decodeClientHello(Buffer.from(text))).reason).toBe('FRAME_MALFORMED');
    expect(errorOf(() => decodeServerHello(Buffer.from(text))).reason).toBe('FRAME_MALFORMED');
  });

  it('cannot reach into a prototype', () => {
    const text = JSON.stringify(CLIENT).replace('{', '{"__proto__":{"polluted":true},');
    expect(decodeClientHello(Buffer.from(text))).toEqual(CLIENT);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('negotiate', () => {
  it('chooses the first of the client’s codecs that the server has', () => {
    expect(negotiate({ ...CLIENT, codecs: ['cbor', 'json', 'msgpack'] }, ['msgpack', 'json'])).toBe('json');
  });

  it('accepts a client that speaks later versions too', () => {
    expect(negotiate({ ...CLIENT, versions: [2, 1] }, ['json'])).toBe('json');
  });

  it.each<[string, Partial<ClientHello>, string]>([
    ['a client of another version', { versions: [2, 3] }, '2, 3'],
    ['a client that requires what this end does not know', { required: ['shared-structures'] }, 'shared-structures'],
    ['a client without a common codec', { codecs: ['cbor'] }, 'cbor'],
  ])('refuses %s, and says why', (_, hello, mentioned) => {
    const error = errorOf(() => negotiate({ ...CLIENT, ...hello }, ['msgpack', 'json']));
    expect(error.reason).toBe('VERSION_UNSUPPORTED');
    expect(error.message).toContain(mentioned);
  });

  it('serves a client that requires nothing but what this end knows', () => {
    const hello = { ...CLIENT, required: ['load'] };
    expect(negotiate(hello, ['json'], ['gzip', 'load'])).toBe('json');
    expect(errorOf(() => negotiate(hello, ['json'], ['gzip'])).message).toContain('load');
  });

  it('keeps what the peer wrote to one line of the message', () => {
    const error = errorOf(() => negotiate({ ...CLIENT, required: ['a\nFATAL: b'] }, ['json']));
    expect(error.message).not.toContain('\n');
  });
});

describe('an optional extension', () => {
  it('is in force where both ends name it, and only there', () => {
    expect(inForce(['gzip', 'load'], ['load', 'trailers'])).toEqual(['load']);
    expect(inForce(['gzip'], ['load'])).toEqual([]);
    expect(inForce(undefined, ['load'])).toEqual([]);
    expect(inForce(['load'], undefined)).toEqual([]);
  });
});
