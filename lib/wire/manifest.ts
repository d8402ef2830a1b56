import { malformed } from './metadata-block.js';

/**
 * What a server announces after the handshake: its patterns and what their handlers declare of themselves. A pattern's position is the
 * index by which REQUEST and EVENT frames may name it, so that neither text nor a look-up by text is needed per call.
 */
export interface ManifestEntry {
  readonly pattern: string;
  readonly kind: 'message' | 'event';
  /** The handler may be run twice for one call. */
  readonly idempotent?: boolean | undefined;
  /** How long a caller who said nothing should wait, in ms. */
  readonly timeoutMs?: number | undefined;
}

/** Indexes travel in 16 bits. */
export const MAX_MANIFEST_ENTRIES = 0xffff;

/** As many entries, from the first on, as a peer takes in one frame; the others can be called by the text of their pattern. */
export function encodeManifest(entries: readonly ManifestEntry[], maxBytes = Infinity): Buffer {
  const texts: string[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const { pattern, kind, idempotent, timeoutMs } of entries.slice(0, MAX_MANIFEST_ENTRIES)) {
    const text = JSON.stringify({ pattern, kind, idempotent: idempotent || undefined, timeoutMs });
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > maxBytes) break;
    texts.push(text);
  }
  return Buffer.from(`{"patterns":[${texts.join(',')}]}`);
}

const ENVELOPE_BYTES = '{"patterns":[]}'.length;

/** @throws RookeryError `FRAME_MALFORMED` */
export function decodeManifest(bytes: Buffer): ManifestEntry[] {
  const { patterns } = parseObject(bytes, 'MANIFEST') as { patterns?: unknown };
  if (!Array.isArray(patterns) || patterns.length > MAX_MANIFEST_ENTRIES)
    throw malformed('a MANIFEST without a list of patterns');
  return patterns.map(entryOf);
}

function entryOf(item: unknown): ManifestEntry {
  const { pattern, kind, idempotent, timeoutMs } = (item ?? {}) as Record<string, unknown>;
  if (typeof pattern !== 'string' || (kind !== 'message' && kind !== 'event'))
    throw malformed('a MANIFEST entry without pattern or kind');
  return {
    pattern,
    kind,
    idempotent: idempotent === true,
    timeoutMs: typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : undefined,
  };
}

/** A JSON object from the wire. @throws RookeryError `FRAME_MALFORMED` naming the frame */
export function parseObject(bytes: Buffer, frame: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw malformed(`a ${frame} that is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`a ${frame} that is not an object`);
  return value as Record<string, unknown>;
}
