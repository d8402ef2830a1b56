import { RookeryError } from './errors.js';

/** Call metadata: string to string, as trace context and correlation ids travel. Keys are used as given. */
export type Metadata = Record<string, string>;

export interface MetadataLimits {
  maxMetadataKeys: number;
  maxMetadataBytes: number;
}

/** Metadata key under which a call's correlation id travels when the caller set one. */
export const CORRELATION_ID = 'x-correlation-id';

/** @throws RookeryError `METADATA_INVALID` naming the key that breaks the rule */
export function invalidMetadata(problem: string): RookeryError {
  return new RookeryError('METADATA_INVALID', `metadata ${problem}; pass a plain object of short strings`);
}
