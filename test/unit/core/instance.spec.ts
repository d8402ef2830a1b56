import { describe, expect, it } from 'vitest';

import { RookeryError } from '../../../lib/core/errors.js';
import {
  INSTANCE_DEFAULTS,
  instanceAddress,
  instanceProblem,
  isAnonymous,
  serviceInstance,
  type InstanceInit,
  type ServiceInstance,
} from '../../../lib/core/instance.js';

const minimal = { serviceName: 'orders', ip: '10.0.0.1', port: 4_000 };
const valid: ServiceInstance = serviceInstance({ ...minimal, instanceId: 'orders-1' });

describe('serviceInstance', () => {
  it('fills in the defaults', () => {
    expect(serviceInstance(minimal)).toEqual({ ...INSTANCE_DEFAULTS, ...minimal, instanceId: '10.0.0.1:4000' });
  });

  it('takes `undefined` for left out', () => {
    const init = { ...minimal, weight: undefined, tags: undefined, instanceId: undefined } as unknown as InstanceInit;
    expect(serviceInstance(init)).toEqual(serviceInstance(minimal));
  });

  it('keeps what is given, falsy values too', () => {
    expect(serviceInstance({ ...minimal, weight: 0, healthy: false, enabled: false })).toMatchObject({
      weight: 0,
      healthy: false,
      enabled: false,
    });
  });

  it('is frozen, and a copy', () => {
    const metadata = { zone: 'a' };
    const tags = ['x'];
    const instance = serviceInstance({ ...minimal, metadata, tags });
    metadata.zone = 'b';
    tags.push('y');
    expect(instance).toMatchObject({ metadata: { zone: 'a' }, tags: ['x'] });
    for (const part of [instance, instance.metadata, instance.tags]) expect(Object.isFrozen(part)).toBe(true);
  });

  it('drops fields that it does not know', () => {
    const stranger = { ...minimal, payload: 'x'.repeat(1_000_000), more: {} } as InstanceInit;
    expect(Object.keys(serviceInstance(stranger)).sort()).toEqual(Object.keys(valid).sort());
  });

  it('takes the address for the id, with brackets around IPv6, and knows that nobody can prove it', () => {
    const instance = serviceInstance({ ...minimal, ip: '::1' });
    expect(instance.instanceId).toBe('[::1]:4000');
    expect(instanceAddress(instance)).toBe('[::1]:4000');
    expect(isAnonymous(instance)).toBe(true);
    expect(isAnonymous(valid)).toBe(false);
  });

  it.each([undefined, null, 'orders', 7, [], {}])('refuses %j with INSTANCE_INVALID', (init) => {
    const make = () => serviceInstance(init as InstanceInit);
    expect(make).toThrow(RookeryError);
    expect(make).toThrow(expect.objectContaining({ reason: 'INSTANCE_INVALID' }));
  });
});

describe('instanceProblem', () => {
  it.each<[string, Partial<ServiceInstance>]>([
    ['IPv4', { ip: '192.168.1.10' }],
    ['IPv6', { ip: '2001:db8::1' }],
    ['IPv6 with a zone', { ip: 'fe80::1%eth0' }],
    ['a host name', { ip: 'orders-1.prod_eu.internal' }],
    ['a host name that ends in a dot', { ip: 'orders.internal.' }],
    ['a host name that starts with a digit', { ip: '1password.com' }],
    ['a long host name', { ip: `${'a'.repeat(63)}.${'b'.repeat(63)}` }],
    ['the last port', { port: 65_535 }],
    ['weight 0', { weight: 0 }],
    ['a fraction of a weight', { weight: 0.5 }],
    ['names of any script', { serviceName: 'größe-料金-🪺' }],
    ['names with spaces, dots and colons inside', { instanceId: 'host:orders 1.2#3' }],
    ['metadata of any script', { metadata: { größe: '🪹', '': '', constructor: 'x' } }],
    ['4 KiB of metadata', { metadata: { k: 'v'.repeat(4_095) } }],
    ['64 tags', { tags: Array.from({ length: 64 }, (_, at) => `tag-${at}`) }],
    ['tags with slashes', { tags: ['team/payments'] }],
  ])('finds nothing wrong with %s', (_, change) => {
    expect(instanceProblem({ ...valid, ...change })).toBeUndefined();
  });

  /** Values that throw, or lie, when they are made into text or numbers. */
  const evil = { toString: 1, valueOf: 1 };

  it.each<[what: string, change: Record<string, unknown>, path: RegExp]>([
    ['no service name', { serviceName: undefined }, /^serviceName: /],
    ['an empty service name', { serviceName: '' }, /^serviceName: /],
    ['a blank service name', { serviceName: ' \t' }, /^serviceName: /],
    ['a number for a name', { serviceName: 7 }, /^serviceName: .*got 7/],
    ['an object for a name', { serviceName: evil }, /^serviceName: .*got an object/],
    ['a name that leaves its folder', { serviceName: '../payments' }, /^serviceName: /],
    ['a name that is the folder above', { serviceName: '..' }, /^serviceName: /],
    ['a name that is the folder', { groupName: '.' }, /^groupName: /],
    ['a name with a backslash', { serviceName: 'a\\b' }, /^serviceName: /],
    ['a name with a NUL', { serviceName: 'a\0b' }, /^serviceName: /],
    ['a name with a line break', { instanceId: 'a\r\nb' }, /^instanceId: /],
    ['a name with a DEL', { clusterName: 'a\u007f' }, /^clusterName: /],
    ['half a character in a name', { namespaceId: 'a\ud800' }, /^namespaceId: /],
    ['a name that is too long', { serviceName: 'x'.repeat(129) }, /^serviceName: at most 128/],
    ['an id that is too long', { instanceId: 'x'.repeat(257) }, /^instanceId: at most 256/],
    ['null for an id', { instanceId: null }, /^instanceId: /],
    ['an empty version', { version: '' }, /^version: /],
    ['a protocol of an array', { protocol: ['rookery'] }, /^protocol: /],
    ['no address', { ip: undefined }, /^ip: /],
    ['an empty address', { ip: '' }, /^ip: /],
    ['an address with a scheme', { ip: 'http://10.0.0.1' }, /^ip: /],
    ['an address with a port', { ip: '10.0.0.1:80' }, /^ip: /],
    ['an address in brackets', { ip: '[::1]' }, /^ip: /],
    ['an address with a user', { ip: 'a@b' }, /^ip: /],
    ['an address with a path', { ip: 'a/b' }, /^ip: /],
    ['an address with a line break', { ip: 'a\nb' }, /^ip: /],
    ['an address that is too long', { ip: 'a.'.repeat(127) + 'ab' }, /^ip: /],
    ['a label that is too long', { ip: 'a'.repeat(64) }, /^ip: /],
    ['an address of dots', { ip: 'a..b' }, /^ip: /],
    ['four numbers that are no address', { ip: '999.1.1.1' }, /^ip: /],
    ['an address in decimal', { ip: '2130706433' }, /^ip: /],
    ['an address in hex', { ip: '0x7f000001' }, /^ip: /],
    ['an address with few parts', { ip: '127.1' }, /^ip: /],
    ['an address in octal', { ip: '0177.0.0.1' }, /^ip: /],
    ['any IPv4 address', { ip: '0.0.0.0' }, /^ip: /],
    ['any IPv6 address', { ip: '::' }, /^ip: /],
    ['any IPv6 address, at length', { ip: '0:0:0:0:0:0:0:0' }, /^ip: /],
    ['an object for an address', { ip: evil }, /^ip: /],
    ['a bigint for an address', { ip: 1n }, /^ip: /],
    ['port 0', { port: 0 }, /^port: /],
    ['a negative port', { port: -1 }, /^port: /],
    ['a port that is too high', { port: 65_536 }, /^port: /],
    ['a fraction of a port', { port: 80.5 }, /^port: /],
    ['text for a port', { port: '80' }, /^port: .*got "80"/],
    ['NaN for a port', { port: NaN }, /^port: /],
    ['an object for a port', { port: evil }, /^port: /],
    ['a negative weight', { weight: -0.1 }, /^weight: /],
    ['NaN for a weight', { weight: NaN }, /^weight: /],
    ['an infinite weight', { weight: Infinity }, /^weight: /],
    ['an enormous weight', { weight: 1e308 }, /^weight: /],
    ['text for a weight', { weight: '1' }, /^weight: /],
    ['null for a weight', { weight: null }, /^weight: /],
    ['text for healthy', { healthy: 'true' }, /^healthy: /],
    ['a number for enabled', { enabled: 1 }, /^enabled: /],
    ['no enabled', { enabled: undefined }, /^enabled: /],
    ['an unknown status', { status: 'UP' }, /^status: .*got "UP"/],
    ['an object for a status', { status: evil }, /^status: /],
    ['no metadata', { metadata: undefined }, /^metadata: /],
    ['null for metadata', { metadata: null }, /^metadata: /],
    ['an array for metadata', { metadata: ['a'] }, /^metadata: .*an array of 1/],
    ['text for metadata', { metadata: 'a=b' }, /^metadata: /],
    ['a number in metadata', { metadata: { retries: 3 } }, /^metadata: .*"retries".*got 3/],
    ['an object in metadata', { metadata: { a: evil } }, /^metadata: .*"a".*got an object/],
    ['too many keys', { metadata: manyKeys(65) }, /^metadata: at most 64 keys, got 65/],
    ['too much metadata', { metadata: { k: 'v'.repeat(4_096) } }, /^metadata: at most 4096 bytes/],
    ['too much metadata, counted in bytes', { metadata: { k: '料'.repeat(1_400) } }, /^metadata: at most 4096 bytes/],
    ['a prototype among the metadata', { metadata: JSON.parse('{"__proto__":"x"}') }, /^metadata: /],
    ['half a character in metadata', { metadata: { a: '\udc00' } }, /^metadata: /],
    ['half a character in a key', { metadata: { '\ud83e': 'x' } }, /^metadata: /],
    ['no tags', { tags: undefined }, /^tags: /],
    ['text for tags', { tags: 'a,b' }, /^tags: /],
    ['too many tags', { tags: Array.from({ length: 65 }, () => 'x') }, /^tags: at most 64/],
    ['an undefined tag', { tags: ['a', undefined] }, /^tags\[1\]: /],
    ['a hole among the tags', { tags: Array.from({ length: 2 }) }, /^tags\[0\]: /],
    ['an empty tag', { tags: [''] }, /^tags\[0\]: /],
    ['a tag that is too long', { tags: ['x'.repeat(129)] }, /^tags\[0\]: /],
    ['half a character in a tag', { tags: ['\ud800'] }, /^tags\[0\]: /],
  ])('finds %s', (_, change, path) => {
    const problem = instanceProblem({ ...valid, ...change });
    expect(problem).toMatch(path);
    expect(problem!.length).toBeLessThan(300);
  });

  it.each([undefined, null, 'orders', 7, true, Symbol('x'), () => {}])('says that %s is no record', (record) => {
    expect(instanceProblem(record)).toMatch(/^expected an object, got /);
  });

  it('never throws for what JSON can say', () => {
    for (const field of Object.keys(valid)) {
      for (const value of [null, 0, -1, Infinity, '', 'x', [], [[]], {}, evil, { length: -1 }, true]) {
        expect(() => instanceProblem({ ...valid, [field]: value })).not.toThrow();
      }
    }
  });
});

function manyKeys(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, '']));
}
