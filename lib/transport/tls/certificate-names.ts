import { isIP } from 'node:net';
import type { X509Certificate } from 'node:crypto';

/**
 * What a certificate is for: its DNS names and URIs, or, where it has neither, its common name.
 *
 * Source of the rules: RFC 6125 §6.4; SPIFFE X.509-SVID.
 */
export function certificateNames({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const names = altNames(subjectAltName ?? '').filter(([type, value]) => type === (isUri(value) ? 'URI' : 'DNS'));
  if (names.length > 0) return names.map(([, value]) => value);
  const commonName = /^CN=(.+)$/m.exec(subject ?? '')?.[1] ?? '';
  return isHostName(commonName) ? [commonName] : [];
}

/**
 * Whether names of a certificate cover the one that is asked for: a DNS name (`*.orders.internal` covers one label more), a SPIFFE id as a
 * whole, or the last part of a SPIFFE id.
 */
export function includesName(names: readonly string[], wanted: string): boolean {
  return names.some((name) => (isUri(name) ? coversUri(name, wanted) : coversDns(name, wanted)));
}

/** A name that DNS could have, and that may be said to a server before anything is encrypted. */
export function isHostName(name: string): boolean {
  return HOST_NAME.test(name) && isIP(name) === 0;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z\d_](?:[\w-]{0,61}[a-z\d_])?(?:\.[a-z\d_](?:[\w-]{0,61}[a-z\d_])?)*$/i;

const SPIFFE_ID = /^spiffe:\/\/[a-z\d._-]{1,255}((?:\/[\w.-]+)+)$/;

function isUri(name: string): boolean {
  return name.includes(':');
}

function coversUri(uri: string, wanted: string): boolean {
  const path = SPIFFE_ID.exec(uri)?.[1];
  return path !== undefined && (uri === wanted || path.slice(path.lastIndexOf('/') + 1) === wanted);
}

function coversDns(pattern: string, wanted: string): boolean {
  if (!isHostName(wanted)) return false;
  const [asked, given] = [wanted.toLowerCase(), pattern.toLowerCase()];
  if (!given.startsWith('*.')) return given === asked;
  const parent = given.slice(1);
  // As Node has it: not for a whole top-level domain.
  return parent.lastIndexOf('.') > 0 && asked.indexOf('.') > 0 && asked.slice(asked.indexOf('.')) === parent;
}

/** `DNS:orders, URI:spiffe://…` as OpenSSL and Node write it; a value that could be mistaken for several is in quotes there, as JSON. */
function altNames(text: string): (readonly [type: string, value: string])[] {
  const found: (readonly [string, string])[] = [];
  for (const [, type, value] of text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/g)) {
    found.push([type!, value!.startsWith('"') ? unquoted(value!) : value!]);
  }
  return found;
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
