import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { RookeryError } from '../../core/errors.js';
import type { ClientHello } from '../../wire/hello.js';
import { certificateNames, includesName } from './certificate-names.js';
import type { TlsCredentials } from './credentials.js';
import { tlsFailure } from './failure.js';
import { tlsProblem } from './options.js';

/** TLS at the accepting end. */
export class ServerTls {
  /** @throws ConfigurationError `OPTION_INVALID` */
  constructor(readonly credentials: TlsCredentials) {
    if (credentials.settings.cert === undefined)
      throw tlsProblem('tls.cert', 'missing; whoever listens needs a certificate');
  }

  /**
   * The encrypted side of an accepted socket, with the certificate in force now. The handshake goes on by itself; what fails it is an
   * `error` of the result, for `tlsFailure`. Each of the two is destroyed with the other.
   */
  secure(raw: Socket): TLSSocket {
    const { context, settings } = this.credentials;
    return new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: settings.mutual,
      rejectUnauthorized: settings.mutual,
    });
  }

  /**
   * Whether a client may say what its hello says. A certificate that is missing ends the TLS handshake; one that is no good is found out
   * here, where the client can be told why.
   *
   * @returns the names of its certificate; none without mutual TLS
   * @throws RookeryError `CERTIFICATE_EXPIRED`, `CERTIFICATE_REFUSED`
   */
  verifyPeer({ service }: ClientHello, socket: Socket): readonly string[] {
    const { mutual, nameOf } = this.credentials.settings;
    if (!mutual) return [];
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (certificate === undefined) throw new RookeryError('CERTIFICATE_REFUSED', 'the client showed no certificate');
    const error = verificationError(socket);
    if (error !== undefined) throw clientRefused(error);
    const names = certificateNames(certificate);
    if (service !== '' && !includesName(names, nameOf(service))) throw wrongName(service, nameOf(service), names);
    return names;
  }
}

/**
 * What OpenSSL found wrong with the chain of a client's certificate. Node's own TLS server asks the same of the same handle; where a
 * version of Node had no such method, nobody would be let in.
 */
function verificationError(socket: Socket): Error | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { verifyError?(): Error | null | undefined } };
  if (typeof handle?.verifyError !== 'function') return new Error('the certificate cannot be verified');
  return handle.verifyError() ?? undefined;
}

function clientRefused(error: Error): RookeryError {
  const { reason, message } = tlsFailure(error) ?? new RookeryError('CERTIFICATE_REFUSED', error.message);
  return new RookeryError(reason, message.replace(`the peer's`, `the client's`), { cause: error });
}

function wrongName(service: string, name: string, names: readonly string[]): RookeryError {
  const asked = name === service ? '' : ` ("${name}", by tls.name)`;
  return new RookeryError(
    'CERTIFICATE_REFUSED',
    `the client says it is "${service}"${asked}, and its certificate is for ${names.join(', ') || 'nobody'}`,
  );
}
