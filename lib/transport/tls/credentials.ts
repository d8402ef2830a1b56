import type { SecureContext } from 'node:tls';
import { inspect } from 'node:util';

import type { ConfigurationError } from '../../core/errors.js';
import {
  hasFiles,
  isSameMaterial,
  loadTls,
  readMaterial,
  readMaterialSync,
  type CertificateSummary,
  type LoadedTls,
} from './material.js';
import { tlsSettings, type TlsOptions, type TlsSettings } from './options.js';

/** What became of a change of the files. */
export type TlsEvent =
  | { readonly type: 'reloaded'; readonly certificate: CertificateSummary | undefined }
  /** The former certificate, key and authorities stay in use. */
  | { readonly type: 'reload-failed'; readonly error: ConfigurationError };

/**
 * Certificate, key and authorities of a process, and how they change: one for its server, its clients and its registry. Use `tlsCredentials`.
 *
 * @publicApi
 */
export class TlsCredentials {
  readonly settings: TlsSettings;
  private loaded: LoadedTls;
  private reading: Promise<boolean> | undefined;
  private readAtMs = performance.now();
  private toldFailure = '';

  /** @throws ConfigurationError `OPTION_INVALID` naming the field */
  constructor(options: TlsOptions) {
    this.settings = tlsSettings(options);
    this.loaded = loadTls(this.settings, readMaterialSync(this.settings));
  }

  /** The certificate in use, where there is one. */
  get certificate(): CertificateSummary | undefined {
    return this.loaded.certificate;
  }

  /** What may be printed: no key, whoever prints it. */
  toJSON(): object {
    return { certificate: this.certificate };
  }

  [inspect.custom](): object {
    return this.toJSON();
  }

  /** For the next connection. */
  get context(): SecureContext {
    return this.loaded.context;
  }

  /**
   * Reads the files now. Connections that stand stay as they are.
   *
   * @returns whether something has changed
   * @throws ConfigurationError `OPTION_INVALID` where it cannot be used; the former stays in use then
   */
  reload(): Promise<boolean> {
    return (this.reading ??= this.read().finally(() => (this.reading = undefined)));
  }

  /** Reads the files where that was not done for the length of `reload`. @returns `undefined` where there is nothing to wait for */
  refresh(): Promise<unknown> | undefined {
    const { reloadMs } = this.settings;
    const isDue = reloadMs !== undefined && performance.now() - this.readAtMs >= reloadMs && hasFiles(this.settings);
    // A failure was told, and the former material goes on.
    return isDue ? this.reload().catch(() => undefined) : undefined;
  }

  /** Reads the files every `reload`, as somebody who waits for connections has to. @returns stops it */
  watch(): () => void {
    const { reloadMs } = this.settings;
    if (reloadMs === undefined || !hasFiles(this.settings)) return () => undefined;
    const timer = setInterval(() => void this.reload().catch(() => undefined), reloadMs).unref();
    return () => clearInterval(timer);
  }

  private async read(): Promise<boolean> {
    this.readAtMs = performance.now();
    try {
      const material = await readMaterial(this.settings);
      if (isSameMaterial(material, this.loaded.material)) {
        this.toldFailure = '';
        return false;
      }
      this.loaded = loadTls(this.settings, material);
    } catch (error) {
      this.tellFailure(error as ConfigurationError);
      throw error;
    }
    this.toldFailure = '';
    this.settings.onReload?.({ type: 'reloaded', certificate: this.certificate });
    return true;
  }

  /** Once, as long as it stays the same. */
  private tellFailure(error: ConfigurationError): void {
    if (error.message === this.toldFailure) return;
    this.toldFailure = error.message;
    const { onReload } = this.settings;
    if (onReload) return onReload({ type: 'reload-failed', error });
    process.emitWarning(`TLS goes on with the former certificate, for the new one cannot be used: ${error.message}`, {
      code: 'ROOKERY_TLS_RELOAD',
    });
  }
}

/**
 * Certificate, key and authorities to be shared by a server, clients and registries of one process: read, and read again, once.
 *
 * ```ts
 * const tls = tlsCredentials({ cert: '/tls/tls.crt', key: '/tls/tls.key', ca: '/tls/ca.crt' });
 * RookeryModule.forRoot({ service: 'orders', host: '0.0.0.0', tls });
 * await tls.reload(); // not later than a minute after a change it happens by itself
 * ```
 *
 * @throws ConfigurationError `OPTION_INVALID` naming the field
 * @publicApi
 */
export function tlsCredentials(options: TlsOptions | TlsCredentials): TlsCredentials {
  return options instanceof TlsCredentials ? options : new TlsCredentials(options);
}
