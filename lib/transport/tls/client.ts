import { X509Certificate } from 'node:crypto';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';

import { RookeryError } from '../../core/errors.js';
import { certificateNames, includesName, isHostName } from './certificate-names.js';
import type { TlsCredentials } from './credentials.js';

/** Where a socket goes. */
export type Destination = { readonly path: string } | { readonly host: string; readonly port: number };

/**
 * An encrypted connection to a service, whatever its address: the certificate has to name the service. Every connection does the whole
 * handshake; no session is taken up again.
 */
export function connectTls(where: Destination, service: string, { context, settings }: TlsCredentials): TLSSocket {
  const name = settings.nameOf(service);
  return connect({
    ...where,
    secureContext: context,
    servername: isHostName(name) ? name : '',
    checkServerIdentity: (_host, certificate) => identityProblem(certificate, service, name),
    // Also where the environment says otherwise: NODE_TLS_REJECT_UNAUTHORIZED is not for this.
    rejectUnauthorized: true,
  });
}

function identityProblem({ raw }: PeerCertificate, service: string, name: string): RookeryError | undefined {
  const names = certificateNames(new X509Certificate(raw));
  if (includesName(names, name)) return undefined;
  const asked = name === service ? `"${service}"` : `"${name}", which tls.name asks of "${service}"`;
  return new RookeryError(
    'CERTIFICATE_REFUSED',
    `the certificate of the peer is not for ${asked} but for ${names.join(', ') || 'nobody'}`,
  );
}
