import { createPrivateKey, constants, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';

import { RookeryError } from '../../core/errors.js';
import { certificateNames } from './certificate-names.js';
import { tlsProblem, type PemSource, type TlsSettings } from './options.js';

/** What the sources held when they were read. */
export interface TlsMaterial {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: readonly string[];
}

/** What of a certificate can be shown. */
export interface CertificateSummary {
  /** DNS names and URIs; the common name where there are none. */
  readonly names: readonly string[];
  readonly validFrom: Date;
  readonly validTo: Date;
  /** SHA-256, in hexadecimal with colons. */
  readonly fingerprint: string;
}

export interface LoadedTls {
  readonly material: TlsMaterial;
  readonly context: SecureContext;
  /** Of this process; absent for a client without one. */
  readonly certificate: CertificateSummary | undefined;
}

/** More is no certificate, and no bundle of them. */
const MAX_PEM_BYTES = 4 * 1024 * 1024;

/** @throws ConfigurationError `OPTION_INVALID` naming the field that cannot be read */
export function readMaterialSync({ cert, key, ca }: TlsSettings): TlsMaterial {
  const read = (field: string, source: PemSource) => {
    try {
      return isPath(source) ? pemOf(field, readFileSync(source)) : pemOf(field, source);
    } catch (error) {
      throw unreadable(field, source, error);
    }
  };
  return {
    cert: cert && read('cert', cert),
    key: key && read('key', key),
    ca: ca.map((source) => read('ca', source)),
  };
}

/** The same without keeping the process waiting. */
export async function readMaterial({ cert, key, ca }: TlsSettings): Promise<TlsMaterial> {
  const read = async (field: string, source: PemSource) => {
    try {
      return isPath(source) ? pemOf(field, await readFile(source)) : pemOf(field, source);
    } catch (error) {
      throw unreadable(field, source, error);
    }
  };
  return {
    cert: cert && (await read('cert', cert)),
    key: key && (await read('key', key)),
    ca: await Promise.all(ca.map((source) => read('ca', source))),
  };
}

export function isSameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return (
    a.cert === b.cert && a.key === b.key && a.ca.length === b.ca.length && a.ca.every((pem, at) => pem === b.ca[at])
  );
}

/** Whether anything comes from files, and so may change. */
export function hasFiles({ cert, key, ca }: TlsSettings): boolean {
  return [cert, key, ...ca].some((source) => source !== undefined && isPath(source));
}

/** @throws ConfigurationError `OPTION_INVALID` naming the field that makes no sense */
export function loadTls(settings: TlsSettings, material: TlsMaterial): LoadedTls {
  const { cert, key, ca } = material;
  const own = cert === undefined ? undefined : parseCertificate('cert', cert);
  if (own !== undefined) checkKey(own, parseKey(key!, settings.passphrase));
  for (const bundle of ca) for (const pem of certificatesIn(bundle)) parseCertificate('ca', pem);
  return { material, context: contextOf(settings, material), certificate: own && summaryOf(own) };
}

function contextOf({ passphrase, minVersion }: TlsSettings, { cert, key, ca }: TlsMaterial): SecureContext {
  try {
    return createSecureContext({
      cert,
      key,
      passphrase,
      ca: ca.length === 0 ? undefined : [...ca],
      minVersion,
      // A session that is taken up again shows no certificate; one that is renegotiated costs this end more than the other.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    });
  } catch (error) {
    throw tlsProblem('tls.cert', `cannot be used (${reasonOf(error)}); is what follows the certificate one, too?`);
  }
}

function isPath(source: PemSource): source is string {
  return typeof source === 'string' && !source.includes('-----BEGIN ');
}

function pemOf(field: string, bytes: PemSource): string {
  if (bytes.length > MAX_PEM_BYTES)
    throw tlsProblem(`tls.${field}`, `more than ${MAX_PEM_BYTES} bytes, which is no PEM`);
  return bytes.toString('utf8');
}

function unreadable(field: string, source: PemSource, cause: unknown): Error {
  if (RookeryError.is(cause)) return cause;
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const what = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`;
  return tlsProblem(`tls.${field}`, `${what}: ${shownPath(source)}`);
}

/** A key that lost its first line would be taken for a path: base64 has no dot, and as DER starts with an M. */
function shownPath(source: PemSource): string {
  const isPlainPath = typeof source === 'string' && source.length <= 300 && /^(?:[./~]|\w:)|\./.test(source);
  return isPlainPath && !source.includes('\n') ? JSON.stringify(source) : 'a string without "-----BEGIN" (not shown)';
}

function certificatesIn(bundle: string): readonly string[] {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0)
    throw tlsProblem('tls.ca', 'has no certificate in it; expected PEM with "-----BEGIN CERTIFICATE-----"');
  return found;
}

function parseCertificate(field: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw tlsProblem(
      `tls.${field}`,
      `is no certificate (${reasonOf(error)}); expected PEM with "-----BEGIN CERTIFICATE-----"`,
    );
  }
}

function parseKey(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, passphrase });
  } catch (error) {
    const isEncrypted = /ENCRYPTED/.test(pem);
    if (isEncrypted && passphrase === undefined)
      throw tlsProblem('tls.passphrase', 'missing; the key of tls.key is encrypted');
    if (isEncrypted) throw tlsProblem('tls.passphrase', `does not open the key of tls.key (${reasonOf(error)})`);
    throw tlsProblem(
      'tls.key',
      `is no private key (${reasonOf(error)}); expected PEM with "-----BEGIN PRIVATE KEY-----"`,
    );
  }
}

function checkKey(certificate: X509Certificate, key: KeyObject): void {
  if (!certificate.checkPrivateKey(key)) throw tlsProblem('tls.key', 'does not belong to the certificate of tls.cert');
}

function summaryOf(certificate: X509Certificate): CertificateSummary {
  const { validFrom, validTo, fingerprint256 } = certificate;
  return {
    names: certificateNames(certificate),
    validFrom: new Date(validFrom),
    validTo: new Date(validTo),
    fingerprint: fingerprint256,
  };
}

/** OpenSSL's word for what is wrong, without its addresses and file names; nothing of the input is in it. */
function reasonOf(error: unknown): string {
  const { reason, code } = error as { reason?: string; code?: string };
  return reason ?? code ?? 'unreadable';
}
