import type { Duration } from '../../core/duration.js';
import { ConfigurationError } from '../../core/errors.js';
import { durationOption, invalidOption, nameOption } from '../../core/options.js';
import type { TlsEvent } from './credentials.js';

/** PEM as text or in a Buffer, or the path of a file with it, which is read again when it changes. */
export type PemSource = string | Buffer;

/**
 * Encryption, and who may talk to whom. With it everything is TLS, over Unix sockets, too: nothing falls back to plaintext.
 *
 * @publicApi
 */
export interface TlsOptions {
  /** The certificate of this process, with those between it and the authority behind it. A service needs one; a client where `mutual` is on. */
  cert?: PemSource | undefined;
  /** Its private key. */
  key?: PemSource | undefined;
  /** Of an encrypted key. */
  passphrase?: string | undefined;
  /** Authorities whose certificates are accepted, and no others. @default those that Node comes with; for servers only */
  ca?: PemSource | readonly PemSource[] | undefined;
  /** Whether clients have to show a certificate, too. @default true where `ca` is given */
  mutual?: boolean | undefined;
  /** @default 'TLSv1.2' */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /**
   * What the certificate of a service has to name: a DNS name, or a SPIFFE id (`spiffe://prod.example/orders`); the same for all, or by
   * service. A plain name is also found as the last part of a SPIFFE id.
   *
   * @default the service name
   */
  name?: string | ((service: string) => string) | undefined;
  /** How often files are looked at; a change is for connections made from then on. `false` for never. 100ms to 24h. @default '1m' */
  reload?: Duration | false | undefined;
  /** Told of every change, and of every one that cannot be used. @default a warning of the process for the latter */
  onReload?: ((event: TlsEvent) => void) | undefined;
}

export const TLS_DEFAULTS = { minVersion: 'TLSv1.2', reloadMs: 60_000 } as const;

export interface TlsSettings {
  readonly cert: PemSource | undefined;
  readonly key: PemSource | undefined;
  readonly passphrase: string | undefined;
  /** Empty for those that Node comes with. */
  readonly ca: readonly PemSource[];
  readonly mutual: boolean;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly nameOf: (service: string) => string;
  /** `undefined` for never. */
  readonly reloadMs: number | undefined;
  readonly onReload: ((event: TlsEvent) => void) | undefined;
}

/** @throws ConfigurationError `OPTION_INVALID` naming `tls.<field>` */
export function tlsSettings(options: TlsOptions): TlsSettings {
  // `true` would be a client that trusts every public authority.
  if (typeof options !== 'object')
    throw invalidOption('tls', 'an object: { cert, key, ca, … }', `${typeof options} (not shown)`);
  const { cert, key, passphrase, minVersion = TLS_DEFAULTS.minVersion, onReload } = options;
  const ca = caList(options.ca);
  const { mutual = ca.length > 0 } = options;
  checkPem('cert', cert);
  checkPem('key', key);
  ca.forEach((source, index) => checkPem(Array.isArray(options.ca) ? `ca[${index}]` : 'ca', source));
  if (typeof mutual !== 'boolean') throw invalidOption('tls.mutual', 'a boolean', mutual);
  if (passphrase !== undefined && typeof passphrase !== 'string')
    throw invalidOption('tls.passphrase', 'a string', `${typeof passphrase} (not shown)`);
  if (minVersion !== 'TLSv1.2' && minVersion !== 'TLSv1.3')
    throw invalidOption('tls.minVersion', `'TLSv1.2' or 'TLSv1.3'`, minVersion);
  if (mutual && ca.length === 0)
    throw tlsProblem('tls.ca', 'missing; with tls.mutual it says whose certificates clients may show');
  if ((cert === undefined) !== (key === undefined))
    throw tlsProblem(cert === undefined ? 'tls.cert' : 'tls.key', 'missing; a certificate and its key go together');
  return {
    cert,
    key,
    passphrase,
    ca,
    mutual,
    minVersion,
    nameOf: naming(options.name),
    ...reloading(options),
    onReload,
  };
}

/** What is wrong with a field. */
export function tlsProblem(path: string, why: string): ConfigurationError {
  return new ConfigurationError('OPTION_INVALID', `${path}: ${why}`);
}

function caList(ca: TlsOptions['ca']): readonly PemSource[] {
  if (ca === undefined) return [];
  return typeof ca === 'string' || Buffer.isBuffer(ca) ? [ca] : [...ca];
}

/** Whatever was given, it may be a key: its value is not shown. */
function checkPem(field: string, source: unknown): void {
  if (source === undefined && field !== 'ca') return;
  if ((typeof source === 'string' && source.trim() !== '') || (Buffer.isBuffer(source) && source.length > 0)) return;
  throw invalidOption(`tls.${field}`, 'PEM as text or Buffer, or the path of a file', `${typeof source} (not shown)`);
}

function naming(name: TlsOptions['name']): (service: string) => string {
  if (name === undefined) return (service) => service;
  if (typeof name === 'function') return name;
  const fixed = nameOption('tls.name', name);
  return () => fixed;
}

function reloading({ reload }: TlsOptions): { reloadMs: number | undefined } {
  if (reload === false) return { reloadMs: undefined };
  return { reloadMs: durationOption('tls.reload', reload, TLS_DEFAULTS.reloadMs, { min: 100, max: 86_400_000 }) };
}
