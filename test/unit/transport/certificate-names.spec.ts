import { X509Certificate } from 'node:crypto';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

import { describe, expect, it } from 'vitest';

import { certificateNames, includesName, isHostName } from '../../../lib/transport/tls/certificate-names.js';
import { authority } from '../../support/certificates.js';

const CA = authority();

const namesIn = (names: readonly string[], commonName = 'common') =>
  certificateNames(new X509Certificate(CA.issue(names, { commonName }).cert));

describe('certificateNames', () => {
  it('are DNS names and URIs, in their order', () => {
    const names = ['orders', '*.orders.internal', 'spiffe://prod.example/ns/shop/orders', 'orders.internal'];
    expect(namesIn(names)).toEqual(names);
  });

  it('are the common name where there is no other', () => {
    expect(namesIn([], 'orders')).toEqual(['orders']);
    expect(namesIn(['web'], 'orders')).toEqual(['web']);
  });

  it.each(['spiffe://prod.example/orders', 'two words', ''])(
    'are not a common name that is no host name: %j',
    (name) => {
      expect(namesIn([], name)).toEqual([]);
    },
  );

  it.each([
    ['web, DNS:orders', 'orders'],
    ['web, URI:spiffe://a/orders', 'orders'],
    ['x" , DNS:orders', 'orders'],
    ['web\0orders', 'orders'],
    ['DNS=spiffe://prod.example/orders', 'orders'],
    ['URI=orders', 'orders'],
  ])('are not more than the certificate has, whatever is written in one: %j', (trick, wanted) => {
    expect(includesName(namesIn([trick]), wanted)).toBe(false);
  });

  it('reads a URI with commas and quotes as the one it is', () => {
    expect(namesIn(['https://a/x, DNS:orders', 'web'])).toEqual(['https://a/x, DNS:orders', 'web']);
  });
});

describe('includesName', () => {
  it.each([
    ['orders', 'orders'],
    ['Orders', 'oRDERS'],
    ['orders.internal', 'orders.internal'],
    ['*.svc.internal', 'orders.svc.internal'],
    ['rookery.registry', 'rookery.registry'],
    ['spiffe://prod.example/orders', 'orders'],
    ['spiffe://prod.example/ns/shop/sa/orders', 'orders'],
    ['spiffe://prod.example/ns/shop/sa/orders', 'spiffe://prod.example/ns/shop/sa/orders'],
  ])('%s covers %s', (name, wanted) => {
    expect(includesName(['other', name], wanted)).toBe(true);
  });

  it.each([
    ['orders', 'order'],
    ['orders', 'orders.internal'],
    ['orders', 'orders.'],
    ['orders', ''],
    ['orders.internal', 'orders'],
    ['*', 'orders'],
    ['*.internal', 'orders.internal'],
    ['*.svc.internal', 'a.orders.svc.internal'],
    ['*.svc.internal', '.svc.internal'],
    ['*.svc.internal', '*.svc.internal'],
    ['o*.svc.internal', 'orders.svc.internal'],
    ['10.0.0.1', '10.0.0.1'],
    ['größe', 'größe'],
    ['spiffe://prod.example/orders', 'Orders'],
    ['spiffe://prod.example/orders', 'prod.example'],
    ['spiffe://prod.example/orders/', 'orders'],
    ['spiffe://prod.example/orders', 'spiffe://test.example/orders'],
    ['spiffe://prod.example/%6frders', 'orders'],
    ['spiffe://prod.example/a?x/orders', 'orders'],
    ['https://prod.example/orders', 'orders'],
    ['https://prod.example/orders', 'https://prod.example/orders'],
  ])('%j does not cover %j', (name, wanted) => {
    expect(includesName([name], wanted)).toBe(false);
  });

  it('never says yes to a DNS name where Node says no', () => {
    const labels = ['a', 'orders', '*', 'internal', 'svc', 'o*', '', 'A'];
    const names = labels.flatMap((x) => [
      x,
      ...labels.flatMap((y) => [`${x}.${y}`, ...labels.map((z) => `${x}.${y}.${z}`)]),
    ]);
    const covered = names.flatMap((name) =>
      names.filter((wanted) => includesName([name], wanted)).map((wanted) => [name, wanted]),
    );
    expect(covered.length).toBeGreaterThan(100);
    const refusedByNode = covered.filter(([name, wanted]) =>
      checkServerIdentity(wanted!, { subject: {}, subjectaltname: `DNS:${name}` } as unknown as PeerCertificate),
    );
    expect(refusedByNode).toEqual([]);
  });
});

it.each([
  ['orders', true],
  ['rookery.registry', true],
  ['a_b.c-d', true],
  ['10.0.0.1', false],
  ['::1', false],
  ['a b', false],
  ['', false],
  ['a..b', false],
  ['x'.repeat(64), false],
])('isHostName(%j) is %s', (name, expected) => {
  expect(isHostName(name)).toBe(expected);
});
