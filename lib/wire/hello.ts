import { RookeryError } from '../core/errors.js';
import { shown } from '../core/shown.js';
import { MIN_FRAME_BYTES, PROTOCOL_VERSION } from './frame.js';
import { parseObject } from './manifest.js';
import { malformed } from './metadata-block.js';

/** Who one end is. An empty service is a caller that serves nothing. */
export interface Identity {
  service: string;
  instance: string;
}

/** What one end accepts, so that the other keeps to it. */
export interface PeerLimits {
  maxFrameBytes: number;
  /** Bytes of one reply stream that may be under way unread. */
  streamWindowBytes: number;
  /** Calls in flight on this connection; only a server's counts. */
  maxInFlight: number;
}

interface Hello extends Identity {
  nonce: string;
  limits: PeerLimits;
  /** Optional extensions it knows: those that both ends name are in force. Absent: none. */
  extensions?: readonly string[] | undefined;
}

/** The dialling end speaks first. */
export interface ClientHello extends Hello {
  versions: number[];
  /** In order of preference. */
  codecs: string[];
  /** Ids of the secrets it knows, newest first; empty without authentication. */
  keys: string[];
  /** Those of the extensions that it cannot do without. */
  required: string[];
}

export interface ServerHello extends Hello {
  version: number;
  codec: string;
  /** Id of the secret both will prove; absent without authentication. */
  key?: string | undefined;
}

export function encodeHello(hello: ClientHello | ServerHello): Buffer {
  return Buffer.from(JSON.stringify(hello));
}

/** Unknown fields are ignored; unknown `required` extensions are refused by `negotiate`. @throws RookeryError `FRAME_MALFORMED` */
export function decodeClientHello(bytes: Buffer): ClientHello {
  const it = parseObject(bytes, 'HELLO');
  return {
    ...identityOf(it),
    versions: listOf(it['versions'], 'number', 'versions'),
    codecs: listOf(it['codecs'], 'string', 'codecs'),
    nonce: nonceOf(it),
    limits: limitsOf(it['limits']),
    keys: namesOf(it, 'keys') ?? [],
    required: namesOf(it, 'required') ?? [],
    extensions: namesOf(it, 'extensions'),
  };
}

/** @throws RookeryError `FRAME_MALFORMED` */
export function decodeServerHello(bytes: Buffer): ServerHello {
  const it = parseObject(bytes, 'HELLO');
  const { version, codec, key } = it;
  if (typeof version !== 'number' || typeof codec !== 'string') throw malformed('a HELLO without version or codec');
  if (key !== undefined && typeof key !== 'string') throw malformed('a HELLO whose key is no string');
  return {
    ...identityOf(it),
    version,
    codec,
    nonce: nonceOf(it),
    limits: limitsOf(it['limits']),
    key,
    extensions: namesOf(it, 'extensions'),
  };
}

/** Optional extensions that both ends name. */
export function inForce(own: readonly string[] = [], peers: readonly string[] = []): readonly string[] {
  return own.filter((name) => peers.includes(name));
}

/** The codec both ends speak; `extensions` are those this end knows. @throws RookeryError `VERSION_UNSUPPORTED` */
export function negotiate(hello: ClientHello, codecs: readonly string[], extensions: readonly string[] = []): string {
  if (!hello.versions.includes(PROTOCOL_VERSION)) {
    throw unsupported(`speaks versions ${hello.versions.join(', ')}; this end speaks ${PROTOCOL_VERSION}`);
  }
  const unknown = hello.required.filter((name) => !extensions.includes(name));
  if (unknown.length > 0) throw unsupported(`requires ${named(unknown)}, which this end does not know`);
  const codec = hello.codecs.find((name) => codecs.includes(name));
  if (codec === undefined)
    throw unsupported(`offers the codecs ${named(hello.codecs)}; this end has ${codecs.join(', ')}`);
  return codec;
}

const MAX_LIST = 16;
/** What ends up in logs is one line. */
const NAME = /^[^\p{Cc}]{0,256}$/u;
/** At least 16 bytes in base64url. */
const NONCE = /^[\w-]{22,256}$/;

function identityOf(it: Record<string, unknown>): Identity {
  const { service, instance } = it;
  if (!isName(service) || !isName(instance)) throw malformed('a HELLO without service or instance');
  return { service, instance };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

function nonceOf(it: Record<string, unknown>): string {
  const { nonce } = it;
  if (typeof nonce !== 'string' || !NONCE.test(nonce))
    throw malformed('a HELLO without a nonce of 16 bytes in base64url');
  return nonce;
}

function namesOf(it: Record<string, unknown>, field: string): string[] | undefined {
  return it[field] === undefined ? undefined : listOf(it[field], 'string', field);
}

function listOf<T extends 'string' | 'number'>(
  value: unknown,
  type: T,
  field: string,
): (T extends 'string' ? string : number)[] {
  if (!Array.isArray(value) || value.length > MAX_LIST || value.some((item) => typeof item !== type)) {
    throw malformed(`a HELLO whose ${field} is no list of at most ${MAX_LIST} ${type}s`);
  }
  return value as (T extends 'string' ? string : number)[];
}

function limitsOf(value: unknown): PeerLimits {
  const { maxFrameBytes, streamWindowBytes, maxInFlight } = (value ?? {}) as Record<string, unknown>;
  return {
    maxFrameBytes: atLeast(MIN_FRAME_BYTES, maxFrameBytes, 'maxFrameBytes'),
    streamWindowBytes: atLeast(1, streamWindowBytes, 'streamWindowBytes'),
    maxInFlight: atLeast(1, maxInFlight, 'maxInFlight'),
  };
}

function atLeast(least: number, value: unknown, field: string): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= 0xffff_ffff) return value as number;
  throw malformed(`a HELLO whose limits.${field} is no integer of at least ${least}`);
}

/** Names from the peer, fit for a message. */
function named(names: readonly string[]): string {
  return names.map(shown).join(', ');
}

function unsupported(why: string): RookeryError {
  return new RookeryError('VERSION_UNSUPPORTED', `the peer ${why}`);
}
