import type { Outcome } from './outcome.js';

/** The closed set of gRPC status names. A code crosses the wire and maps to an HTTP status. */
export type Code =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** HTTP status of each code, as google.rpc.Code documents the mapping. */
export const HTTP_STATUS: Readonly<Record<Code, number>> = {
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

export function isCode(value: unknown): value is Code {
  return typeof value === 'string' && Object.hasOwn(HTTP_STATUS, value);
}

/**
 * Every reason this package throws: its code, the outcome it stands for unless the error itself says better, and what it means.
 * The table in README.md equals this one; a test holds them together.
 */
export const ERROR_CATALOGUE = {
  OPTION_INVALID: ['INVALID_ARGUMENT', 'never-sent', 'an option is missing, of the wrong type or out of range'],
  PEER_MISSING: ['FAILED_PRECONDITION', 'never-sent', 'an optional package is not installed'],
  INSECURE_BIND: ['FAILED_PRECONDITION', 'never-sent', 'a bind beyond loopback without authentication'],
  ADDRESS_IN_USE: ['FAILED_PRECONDITION', 'never-sent', 'the port to listen on is taken'],
  DATA_DIR_UNUSABLE: [
    'FAILED_PRECONDITION',
    'never-sent',
    'the data folder of a registry is in use, or cannot be used',
  ],
  LISTEN_FAILED: ['UNAVAILABLE', 'never-sent', 'the address to listen on cannot be bound'],

  REGISTRY_UNREACHABLE: ['UNAVAILABLE', 'never-sent', 'the registry does not answer'],
  REGISTRY_DENIED: [
    'PERMISSION_DENIED',
    'never-sent',
    'the registry refuses the credentials, or what they are used for',
  ],
  LEASE_LOST: ['NOT_FOUND', 'never-sent', 'the registry no longer knows the instance'],
  REGISTRY_FULL: ['RESOURCE_EXHAUSTED', 'never-sent', 'the registry holds as many instances as it may'],
  REGISTRY_READ_ONLY: ['UNAVAILABLE', 'never-sent', 'the registry cannot write to its disk, and takes no changes'],
  INSTANCE_INVALID: ['INVALID_ARGUMENT', 'never-sent', 'an instance record breaks the rules'],

  NO_INSTANCE: ['UNAVAILABLE', 'never-sent', 'the registry answers, and has no instance that can take the call'],
  CONNECT_FAILED: ['UNAVAILABLE', 'never-sent', 'no connection to the instance'],
  HANDSHAKE_FAILED: ['UNAVAILABLE', 'never-sent', 'the peer does not speak this protocol, or not in time'],
  VERSION_UNSUPPORTED: ['UNIMPLEMENTED', 'never-sent', 'no common protocol version, codec or critical feature'],
  AUTHENTICATION_FAILED: ['UNAUTHENTICATED', 'never-sent', 'one end could not prove that it knows the secret'],
  TLS_FAILED: ['UNAVAILABLE', 'never-sent', 'no TLS: one end speaks plaintext, or another version, or broke off'],
  CERTIFICATE_REFUSED: ['UNAUTHENTICATED', 'never-sent', 'a certificate is missing, untrusted, or for another name'],
  CERTIFICATE_EXPIRED: ['UNAUTHENTICATED', 'never-sent', 'a certificate outside the time for which it is valid'],
  WRONG_INSTANCE: ['UNAVAILABLE', 'never-sent', 'another service or instance answers at the address'],
  CONNECTION_LOST: ['UNAVAILABLE', 'unknown', 'the connection ended, or went silent, before the reply'],
  TOO_MANY_CONNECTIONS: [
    'RESOURCE_EXHAUSTED',
    'never-sent',
    'the instance, or one address there, has as many as it may',
  ],
  TOO_MANY_BYTES: ['RESOURCE_EXHAUSTED', 'unknown', 'a process holds as many bytes for its peers as it may'],
  PEER_FLOODED: ['RESOURCE_EXHAUSTED', 'unknown', 'a peer sent more of what only costs work than it may'],
  FRAME_TIMEOUT: ['DEADLINE_EXCEEDED', 'unknown', 'a frame took longer to arrive than it may'],
  PEER_DRAINING: ['UNAVAILABLE', 'refused', 'the instance is going away and did not execute the call'],
  CLIENT_CLOSED: ['FAILED_PRECONDITION', 'never-sent', 'a call after close'],

  FRAME_TOO_LARGE: ['RESOURCE_EXHAUSTED', 'never-sent', 'a message over the frame limit'],
  FRAME_MALFORMED: ['INTERNAL', 'unknown', 'bytes that break the protocol; the connection is closed'],
  METADATA_INVALID: ['INVALID_ARGUMENT', 'never-sent', 'metadata that is no string map, or over its limits'],
  PATTERN_INVALID: ['INVALID_ARGUMENT', 'never-sent', 'a pattern that is empty or over its limit'],
  ENCODE_FAILED: ['INVALID_ARGUMENT', 'never-sent', 'a value that the codec cannot write'],
  DECODE_FAILED: ['INVALID_ARGUMENT', 'refused', 'a body that the codec cannot read'],

  DEADLINE_EXPIRED: ['DEADLINE_EXCEEDED', 'unknown', 'no reply before the deadline'],
  CALLER_ABORTED: ['CANCELLED', 'unknown', 'the caller cancelled'],
  TOO_MANY_CALLS: ['RESOURCE_EXHAUSTED', 'never-sent', 'this client already has as many calls in flight as it may'],
  SERVER_BUSY: ['RESOURCE_EXHAUSTED', 'refused', 'the instance runs as many calls as it may'],
  STREAM_OVERRUN: ['RESOURCE_EXHAUSTED', 'handled', 'a stream produced far ahead of its reader and cannot be paused'],
  TOO_MANY_STREAMS: ['RESOURCE_EXHAUSTED', 'handled', 'a connection has as many streams of replies as it may'],
  NO_HANDLER: ['UNIMPLEMENTED', 'refused', 'no handler for the pattern'],
  HANDLER_THREW: ['UNKNOWN', 'handled', 'the handler answered with an error'],
} as const satisfies Record<string, readonly [Code, Outcome, string]>;

/** A stable word to switch on. */
export type Reason = keyof typeof ERROR_CATALOGUE;

export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.hasOwn(ERROR_CATALOGUE, value);
}

export interface ErrorDetails {
  /** Overrides the catalogue's code (a remote handler may choose its own). */
  code?: Code | undefined;
  /** Overrides the catalogue's outcome where more is known. */
  outcome?: Outcome | undefined;
  /** The service that was called. */
  service?: string | undefined;
  /** `ip:port` of the instance that was tried last. */
  endpoint?: string | undefined;
  cause?: unknown;
}

const BRAND = Symbol.for('nestjs-rookery.error');

/**
 * Every error of this package. `code` says what kind of failure, `reason` which one, `outcome` what is known of the call's fate.
 *
 * @publicApi
 */
export class RookeryError extends Error {
  readonly code: Code;
  readonly outcome: Outcome;
  service: string | undefined;
  endpoint: string | undefined;

  constructor(
    readonly reason: Reason,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    const [code, outcome] = ERROR_CATALOGUE[reason];
    this.code = details.code ?? code;
    this.outcome = details.outcome ?? outcome;
    this.service = details.service;
    this.endpoint = details.endpoint;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for an error of any copy of this package in the process. */
  static is(error: unknown): error is RookeryError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
  }
}

/**
 * Makes an error without a stack, which is most of its cost: for what a peer did wrong, as often as it likes, and nobody here reads.
 */
export function withoutStack<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Thrown at start: an option or the environment is wrong, and the message names the way out. */
export class ConfigurationError extends RookeryError {}

/** The registry is away, refuses, or no longer knows an instance. */
export class RegistryError extends RookeryError {}

/**
 * What a remote handler answered: a real `Error` with its code and data, never its stack.
 *
 * @publicApi
 */
export class RemoteError extends RookeryError {
  constructor(
    message: string,
    /** What the handler's exception filter produced, e.g. the argument of `RpcException`. */
    readonly data: unknown,
    details: ErrorDetails = {},
  ) {
    super('HANDLER_THREW', message, details);
  }
}
