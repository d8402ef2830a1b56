import { ConfigurationError, RegistryError } from '../../core/errors.js';

export function dataDirUnusable(path: string, cause: unknown): ConfigurationError {
  const message = `registry.dataDir: cannot use ${path}: ${messageOf(cause)}`;
  return new ConfigurationError('DATA_DIR_UNUSABLE', message, { cause });
}

/** The write was not done: nobody sees it. */
export function unwritable(path: string, cause: unknown): RegistryError {
  const message = `the registry cannot write to ${path} (${messageOf(cause)}), and takes no changes until it can; free the disk, or make it writable`;
  return new RegistryError('REGISTRY_READ_ONLY', message, { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
