import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { RookeryError, type Reason } from '../../core/errors.js';

type Failure = readonly [reason: Reason, why: string];

const NO_TLS: Failure = ['TLS_FAILED', 'the peer does not speak TLS'];
const NO_VERSION: Failure = ['TLS_FAILED', 'the two ends have no version of TLS in common (tls.minVersion)'];

/** What OpenSSL finds wrong at this end, by Node's code for it. */
const OWN_FINDINGS: Readonly<Record<string, Failure>> = {
  CERT_HAS_EXPIRED: ['CERTIFICATE_EXPIRED', `the peer's certificate has expired`],
  CERT_NOT_YET_VALID: ['CERTIFICATE_EXPIRED', `the peer's certificate is not valid yet; check both clocks`],
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: ['CERTIFICATE_REFUSED', 'the client showed no certificate'],
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_HTTP_REQUEST: NO_TLS,
  ERR_SSL_HTTPS_PROXY_REQUEST: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_BAD_RECORD_TYPE: NO_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: NO_VERSION,
  ERR_SSL_UNKNOWN_PROTOCOL: NO_VERSION,
  ERR_SSL_VERSION_TOO_LOW: NO_VERSION,
};

/** What the other end says it found, by the number of the alert. Source: RFC 8446 §6.2. */
const ALERTS: Readonly<Record<string, Failure>> = {
  40: ['TLS_FAILED', 'the peer refused the TLS handshake; it may want a certificate (tls.cert), or other ciphers'],
  42: ['CERTIFICATE_REFUSED', `the peer refused this end's certificate`],
  43: ['CERTIFICATE_REFUSED', `the peer refused this end's certificate, as of an unsupported kind`],
  44: ['CERTIFICATE_REFUSED', `the peer refused this end's certificate, as revoked`],
  45: ['CERTIFICATE_EXPIRED', `the peer refused this end's certificate, as expired`],
  46: ['CERTIFICATE_REFUSED', `the peer refused this end's certificate`],
  48: ['CERTIFICATE_REFUSED', `the peer does not know the authority of this end's certificate`],
  70: NO_VERSION,
  116: ['CERTIFICATE_REFUSED', 'the peer wants a certificate, and none was shown; set tls.cert and tls.key'],
};

/** Codes of a chain of certificates that does not hold, as X509_verify_cert names them, but for the times above. */
const UNTRUSTED =
  /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|CRL_|INVALID_|PATH_LENGTH_|HOSTNAME_|UNSPECIFIED|ERR_TLS_CERT_)/;

/**
 * What went wrong with TLS, in the words of the catalogue: `TLS_FAILED`, `CERTIFICATE_REFUSED` or `CERTIFICATE_EXPIRED`.
 *
 * @returns `undefined` for what is no failure of TLS
 */
export function tlsFailure(error: unknown): RookeryError | undefined {
  if (!(error instanceof Error) || RookeryError.is(error)) return undefined;
  const code = codeOf(error);
  const [reason, why] = alertIn(error.message) ?? OWN_FINDINGS[code] ?? otherFailure(code) ?? [];
  return reason && new RookeryError(reason, why!, { cause: error });
}

/** Where a write was under way, the code is that of the write, and what OpenSSL says is in the text alone. */
function codeOf(error: Error & { code?: string }): string {
  const said = /SSL routines:[^:]*:([^:]+)/.exec(error.message)?.[1];
  return error.code === 'EPROTO' && said ? `ERR_SSL_${said.toUpperCase().replaceAll(' ', '_')}` : (error.code ?? '');
}

/** What to make of a first chunk that is no preface: one end has TLS, and the other has not. */
export function unlessTls(error: RookeryError, chunk: Buffer): RookeryError {
  const isTlsRecord = error.reason === 'HANDSHAKE_FAILED' && (chunk[0] === 0x16 || chunk[0] === 0x15) && chunk[1] === 3;
  return isTlsRecord
    ? new RookeryError('TLS_FAILED', 'the peer speaks TLS, and this end does not; give both the option tls')
    : error;
}

/** Whether TLS has yet to be established, so that nothing can be told to the other end. */
export function isSecuring(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.getPeerFinished() === undefined;
}

function alertIn(message: string): Failure | undefined {
  const number = /SSL alert number (\d+)/.exec(message)?.[1];
  return number === undefined
    ? undefined
    : (ALERTS[number] ?? ['TLS_FAILED', `the peer ended TLS with alert ${number}`]);
}

function otherFailure(code: string): Failure | undefined {
  if (UNTRUSTED.test(code))
    return ['CERTIFICATE_REFUSED', `the peer's certificate is not of an authority that is trusted here (${code})`];
  const isOpenSsl = code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO';
  return isOpenSsl ? ['TLS_FAILED', `TLS failed (${code})`] : undefined;
}
