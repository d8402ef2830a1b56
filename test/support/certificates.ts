import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** Certificates made for a test, in memory: X.509 v3 over P-256, written in DER by hand. */

export interface Authority {
  /** PEM of its own certificate. */
  readonly ca: string;
  issue(names: readonly string[], options?: IssueOptions): KeyedCertificate;
}

export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** @default a minute ago */
  notBefore?: Date;
  /** @default in an hour */
  notAfter?: Date;
  /** @default `test` */
  commonName?: string;
}

/** An authority that others know only where they are given its certificate. */
export function authority(commonName = 'Test authority'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = nameOf(commonName);
  const extensions = [extension('2.5.29.19', true, sequence(boolean(true))), extension('2.5.29.15', true, bits(0x06))];
  const ca = certificate({ issuer: subject, subject, publicKey: own.publicKey, signedBy: own.privateKey, extensions });
  return {
    ca,
    issue(names, { commonName: common = 'test', ...validity } = {}) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cert = certificate({
        issuer: subject,
        subject: nameOf(common),
        publicKey,
        signedBy: own.privateKey,
        extensions: names.length === 0 ? [] : [extension('2.5.29.17', false, altNames(names))],
        ...validity,
      });
      return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    },
  };
}

interface CertificateInit {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signedBy: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** RFC 5280 §4.1. */
function certificate(init: CertificateInit): string {
  const { issuer, subject, publicKey, signedBy, extensions } = init;
  const { notBefore = new Date(Date.now() - 60_000), notAfter = new Date(Date.now() + 3_600_000) } = init;
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const toSign = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    issuer,
    sequence(time(notBefore), time(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  );
  const signature = sign('sha256', toSign, signedBy);
  const bytes = sequence(toSign, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = bytes.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  const attribute = sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

/** DNS names; URIs where there is a colon; `DNS=…` and `URI=…` whatever is behind. */
function altNames(names: readonly string[]): Buffer {
  return sequence(
    ...names.map((name) => {
      const [, kind = name.includes(':') ? 'URI' : 'DNS', text = ''] = /^(?:(DNS|URI)=)?(.*)$/s.exec(name)!;
      return der(kind === 'URI' ? 0x86 : 0x82, Buffer.from(text, 'latin1'));
    }),
  );
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), der(0x04, value));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return der(0x01, Buffer.from([value ? 0xff : 0]));
}

/** One byte of named bits, the last one unused. */
function bits(value: number): Buffer {
  return der(0x03, Buffer.from([1, value]));
}

/** UTCTime, which is enough until 2049. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${text}Z`));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest.flatMap(base128)];
  return der(0x06, Buffer.from(bytes));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}
