import { describe, expect, it } from 'vitest';

import { checkBind, type BindCheckInit } from '../../../lib/microservice/bind-check.js';
import { tlsCredentials } from '../../../lib/transport/tls/credentials.js';
import type { TlsOptions } from '../../../lib/transport/tls/options.js';
import { authority } from '../../support/certificates.js';

const CA = authority();
const tls = (names: readonly string[], options: TlsOptions = {}) => tlsCredentials({ ...CA.issue(names), ...options });

const check = (init: Partial<BindCheckInit>) =>
  checkBind({ service: 'orders', host: '0.0.0.0', hasSecrets: false, tls: undefined, insecure: false, ...init });

describe('a bind beyond loopback', () => {
  it.each(['0.0.0.0', '::', '10.0.0.1', 'orders.internal'])(
    'to %s needs TLS, a secret, or the word of the user',
    (host) => {
      expect(() => check({ host })).toThrow(expect.objectContaining({ reason: 'INSECURE_BIND' }));
      expect(() => check({ host })).toThrow(/set tls or auth\.secrets, or insecure: true/);
      expect(check({ host, hasSecrets: true })).toEqual([]);
      expect(check({ host, tls: tls(['orders'], { ca: CA.ca }) })).toEqual([]);
      expect(check({ host, insecure: true })).toEqual([expect.stringContaining('without authentication')]);
    },
  );

  it('with TLS alone is warned of where clients show nothing', () => {
    expect(check({ tls: tls(['orders']) })).toEqual([expect.stringContaining('from whoever makes them; set tls.ca')]);
    expect(check({ tls: tls(['orders']), hasSecrets: true })).toEqual([]);
  });

  it.each(['127.0.0.1', '::1', 'localhost', 'unix:/run/orders.sock'])('is not what %s is', (host) => {
    expect(check({ host })).toEqual([]);
  });
});

describe('a certificate that is not valid now', () => {
  it('is warned of, with its dates', () => {
    const notAfter = new Date(Date.now() - 1_000);
    const expired = tlsCredentials({ ...CA.issue(['orders'], { notAfter }), ca: CA.ca });
    expect(check({ tls: expired })).toEqual([expect.stringMatching(/^tls\.cert is valid from \S+ to \S+ and not now/)]);
  });
});

describe('a certificate that is not for the service', () => {
  it('is warned of, with the names', () => {
    expect(check({ tls: tls(['web', 'www.internal'], { ca: CA.ca }) })).toEqual([
      expect.stringMatching(/^tls\.cert is for web, www\.internal and not for "orders"/),
    ]);
  });

  it('is fine where tls.name says what callers expect', () => {
    const name = (service: string) => `${service}.internal`;
    expect(check({ tls: tls(['orders.internal'], { ca: CA.ca, name }) })).toEqual([]);
    expect(check({ tls: tls(['orders'], { ca: CA.ca, name }) })).toEqual([
      expect.stringContaining('"orders.internal"'),
    ]);
  });
});
