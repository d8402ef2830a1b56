import { TlsCredentials } from '../../../lib/transport/tls/credentials.js';
import type { TlsOptions } from '../../../lib/transport/tls/options.js';
import { ServerTls } from '../../../lib/transport/tls/server.js';
import { authority, type IssueOptions } from '../../support/certificates.js';
import {
  dial,
  serve,
  type ClientSetup,
  type HandlerSetup,
  type Line,
  type RunningServer,
  type ServerSetup,
} from './support.js';

/** The authority that both ends know, unless a test says otherwise. */
export const TRUSTED = authority('Trusted');
/** One that nobody knows. */
export const STRANGE = authority('Strange');

const HOUR_MS = 3_600_000;

export const EXPIRED: IssueOptions = {
  notBefore: new Date(Date.now() - 2 * HOUR_MS),
  notAfter: new Date(Date.now() - HOUR_MS),
};
export const NOT_YET: IssueOptions = {
  notBefore: new Date(Date.now() + HOUR_MS),
  notAfter: new Date(Date.now() + 2 * HOUR_MS),
};

/** Certificate and key for these names, and the authority it trusts. */
export function tlsFor(
  names: readonly string[],
  options: TlsOptions = {},
  by = TRUSTED,
  issue: IssueOptions = {},
): TlsCredentials {
  return new TlsCredentials({ ...by.issue(names, issue), ca: TRUSTED.ca, ...options });
}

export function serveTls(
  credentials: TlsCredentials,
  handlers: HandlerSetup = ECHO,
  setup: ServerSetup = {},
): Promise<RunningServer> {
  return serve(handlers, { ...setup, tls: new ServerTls(credentials) });
}

export function dialTls(port: number, tls: TlsCredentials, setup: ClientSetup = {}): Promise<Line> {
  return dial(port, { ...setup, tls });
}

export const ECHO: HandlerSetup = { echo: (data: unknown) => data };
