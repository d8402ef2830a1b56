import { createHash } from 'node:crypto';

import type { ServiceInstance } from '../core/instance.js';
import type { Snapshot } from './snapshot-store.js';

/** Larger ones are neither written nor read. */
export const MAX_SNAPSHOT_BYTES = 4 * 1024 * 1024;

const MAGIC = 'rookery-snapshot';
const VERSION = 1;
const HEADER = new RegExp(`^${MAGIC} (\\d{1,4}) ([0-9a-f]{64})\n`);
const HEADER_BYTES = MAGIC.length + 1 + 4 + 1 + 64 + 1;

/** Safe on every file system, whatever the service is called. */
export function snapshotFileName(key: string): string {
  return `${sha256(Buffer.from(key)).slice(0, 40)}.snapshot`;
}

/** A line with format, version and the SHA-256 of the rest; the rest is JSON. */
export function encodeSnapshot(key: string, savedAtMs: number, instances: readonly ServiceInstance[]): Buffer {
  const body = Buffer.from(JSON.stringify({ key, savedAtMs, instances }));
  return Buffer.concat([Buffer.from(`${MAGIC} ${VERSION} ${sha256(body)}\n`), body]);
}

/** @returns the snapshot, or what is wrong with the file */
export function decodeSnapshot(bytes: Buffer, key: string, nowMs: number, maxAgeMs: number): Snapshot | string {
  const header = HEADER.exec(bytes.toString('latin1', 0, HEADER_BYTES));
  if (header === null) return 'is no snapshot';
  if (header[1] !== String(VERSION)) return `has version ${header[1]}, expected ${VERSION}`;
  const body = bytes.subarray(header[0].length);
  if (sha256(body) !== header[2]) return 'is damaged: its checksum does not match';
  return parseBody(body, key, nowMs, maxAgeMs);
}

function parseBody(body: Buffer, key: string, nowMs: number, maxAgeMs: number): Snapshot | string {
  const content = parseJson(body);
  if (content?.key !== key) return 'belongs to another registry or service';
  const { savedAtMs, instances } = content;
  if (typeof savedAtMs !== 'number' || !Array.isArray(instances)) return 'has no list';
  const ageMs = nowMs - savedAtMs;
  // Wall clocks are set back, too: a file from the future is as doubtful as an old one.
  if (!(Math.abs(ageMs) <= maxAgeMs))
    return `is ${Math.round(ageMs / 3_600_000)} h old, the limit is ${maxAgeMs / 3_600_000} h`;
  return { savedAtMs, instances };
}

function parseJson(body: Buffer): { key?: unknown; savedAtMs?: unknown; instances?: unknown } | undefined {
  try {
    const content: unknown = JSON.parse(body.toString());
    return typeof content === 'object' && content !== null ? content : undefined;
  } catch {
    return undefined;
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
