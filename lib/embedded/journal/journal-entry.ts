import { INSTANCE_DEFAULTS, serviceInstance, type ServiceInstance } from '../../core/instance.js';
import type { InstanceRef } from '../../registry/instance-table.js';
import { crc32 } from './crc32.js';

/** The first line of each file. */
export interface JournalHeader {
  readonly rookery: 'registry';
  readonly format: number;
  /** The registry whose data this is, as clients know it. */
  readonly registryId: string;
}

/** What a line says: the header, an instance as it is from now on, one that is gone, or how many instances a snapshot has: its end. */
export type JournalEntry =
  | { readonly header: JournalHeader }
  | { readonly put: ServiceInstance }
  | { readonly gone: InstanceRef }
  | { readonly end: number };

/** Of the lines below; a file of another number is not touched. */
export const JOURNAL_FORMAT = 1;

/** A record takes 33 KiB at most, and JSON writes a control character as six. */
export const MAX_LINE_BYTES = 512 * 1024;

const CRC_DIGITS = 8;
const LF = 0x0a;

/**
 * One line: the CRC-32 of the JSON in 8 hexadecimal digits, a space, the JSON, and a line feed, which JSON never contains. So each line can
 * be checked for itself, and after a damaged one the next is found.
 */
export function journalLine(entry: JournalEntry): string {
  const json = JSON.stringify(entry);
  return `${hex(crc32(Buffer.from(json)))} ${json}\n`;
}

/** @param line without its line feed @returns `undefined` for what was not written by `journalLine` */
export function parseJournalLine(line: Buffer): JournalEntry | undefined {
  if (line.length <= CRC_DIGITS + 1 || line[CRC_DIGITS] !== 0x20 || line.includes(LF)) return undefined;
  const json = line.subarray(CRC_DIGITS + 1);
  if (line.toString('latin1', 0, CRC_DIGITS) !== hex(crc32(json))) return undefined;
  try {
    return entryOf(JSON.parse(json.toString()));
  } catch {
    return undefined;
  }
}

export function headerOf(registryId: string): JournalEntry {
  return { header: { rookery: 'registry', format: JOURNAL_FORMAT, registryId } };
}

export function refOf({ namespaceId, groupName, serviceName, instanceId }: InstanceRef): InstanceRef {
  return { namespaceId, groupName, serviceName, instanceId };
}

/** Names hold no control characters, so NUL separates them. */
export function keyOf(ref: Partial<InstanceRef>): string {
  const { namespaceId, groupName, serviceName, instanceId } = { ...INSTANCE_DEFAULTS, ...ref };
  return [namespaceId, groupName, serviceName, instanceId].join('\0');
}

/** @throws RookeryError `INSTANCE_INVALID` */
function entryOf(value: unknown): JournalEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const it = value as { [K in 'header' | 'put' | 'gone' | 'end']?: unknown };
  if (it.put !== undefined) return { put: serviceInstance(it.put as ServiceInstance) };
  if (typeof it.gone === 'object' && it.gone !== null) return { gone: it.gone as InstanceRef };
  if (typeof it.end === 'number') return { end: it.end };
  return isHeader(it.header) ? { header: it.header } : undefined;
}

function isHeader(value: unknown): value is JournalHeader {
  if (typeof value !== 'object' || value === null) return false;
  const { rookery, format, registryId } = value as Partial<Record<keyof JournalHeader, unknown>>;
  return rookery === 'registry' && typeof format === 'number' && typeof registryId === 'string' && registryId !== '';
}

function hex(crc: number): string {
  return crc.toString(16).padStart(CRC_DIGITS, '0');
}
