import { getHeapStatistics } from 'node:v8';

import { integerOption, durationOption, type Range } from '../core/options.js';
import type { Duration } from '../core/duration.js';
import { WIRE_LIMITS, type WireLimits } from '../wire/frame.js';
import type { PeerLimits } from '../wire/hello.js';

/**
 * Bounds of everything a peer can make this process hold. All are checked before authentication where they can be.
 *
 * @publicApi
 */
export interface TransportLimits extends WireLimits {
  /** Accepted connections. @default 4096 @range 1–1,000,000 */
  maxConnections: number;
  /** Of them from one IPv4 address, or one IPv6 network of 64 bits. @default 1024 @range 1–1,000,000 */
  maxConnectionsPerAddress: number;
  /**
   * Accepted connections that have not finished their hello, at most half of them from one address. When a further one comes, the oldest
   * makes place. @default 512 @range 1–100,000
   */
  maxUnauthenticated: number;
  /** From connect to the end of the hello, in ms; bytes do not prolong it. @default 5000 @range 10 ms – 1 min */
  helloTimeoutMs: number;
  /** How long a frame may be under way, in ms, besides the time that what has arrived of it takes at `minFrameBytesPerSecond`. @default 10000 @range 100 ms – 10 min */
  frameTimeoutMs: number;
  /** @default 65536 @range 1–1,000,000,000 */
  minFrameBytesPerSecond: number;
  /** PINGs of one peer. @default 100 @range 1–1,000,000 */
  maxPingsPerSecond: number;
  /**
   * Calls that one connection takes back before they have answered anything, and not for their deadline, as long as they are more than half
   * of its calls. @default 500 @range 1–1,000,000
   */
  maxCancelsPerSecond: number;
  /**
   * Frames of one peer that lead to nothing: for calls that are not there, unknown extensions, answers nobody asked for, credit of
   * under 1 KiB. A call without a handler, or beyond those in flight, counts as 4, one that cannot be read as 20, one with
   * a head over the limits as 100. @default 10000 @range 100–1,000,000
   */
  maxIdleFramesPerSecond: number;
  /** Calls one connection may have running here; a slot is free when the handler ends. @default 1024 @range 1–65,535 */
  maxInFlightPerConnection: number;
  /** Calls this server may have running. @default 8192 @range 1–1,000,000 */
  maxInFlight: number;
  /** Streams of replies that one connection may have running, counted from their first value. @default 256 @range 1–65,535 */
  maxStreamsPerConnection: number;
  /** Bytes of one reply stream that may be under way unread. @default 256 KiB @range 1 KiB – 64 MiB */
  streamWindowBytes: number;
  /**
   * Bytes written and not taken by the peer, per connection: beyond it a server reads no further calls from there, and a client starts none.
   * Also what a stream that cannot be paused may be ahead of its reader. @default 8 MiB @range 64 KiB – 1 GiB
   */
  maxSendBufferBytes: number;
  /**
   * Bytes held for all accepted connections together. Three eighths are for the bodies of running calls: beyond, calls are refused. An eighth is for
   * frames that have arrived in part, a half for replies that wait for their readers: beyond, whoever has held some for the longest is cut.
   * @default 512 MiB, at most a quarter of the heap's limit @range 1 MiB – 1 TiB
   */
  maxBufferedBytes: number;
  /** Arrays and objects inside one another, in one decoded body. @default 64 @range 1–1,000 */
  maxDecodeDepth: number;
  /** Values in one decoded body. @default 100000 @range 1–100,000,000 */
  maxDecodeNodes: number;
  /** How long a peer may take nothing of what waits for it, in ms. @default 10000 @range 100 ms – 10 min */
  sendStallMs: number;
}

export const TRANSPORT_LIMITS: Readonly<TransportLimits> = {
  ...WIRE_LIMITS,
  maxConnections: 4_096,
  maxConnectionsPerAddress: 1_024,
  maxUnauthenticated: 512,
  helloTimeoutMs: 5_000,
  frameTimeoutMs: 10_000,
  minFrameBytesPerSecond: 64 * 1024,
  maxPingsPerSecond: 100,
  maxCancelsPerSecond: 500,
  maxIdleFramesPerSecond: 10_000,
  maxInFlightPerConnection: 1_024,
  maxInFlight: 8_192,
  maxStreamsPerConnection: 256,
  streamWindowBytes: 256 * 1024,
  maxSendBufferBytes: 8 * 1024 * 1024,
  maxBufferedBytes: Math.min(512 * 1024 * 1024, Math.floor(getHeapStatistics().heap_size_limit / 4)),
  maxDecodeDepth: 64,
  maxDecodeNodes: 100_000,
  sendStallMs: 10_000,
};

const RANGES: Readonly<Record<keyof TransportLimits, Range>> = {
  maxFrameBytes: { min: 16 * 1024, max: 256 * 1024 * 1024 },
  maxHelloBytes: { min: 1_024, max: 64 * 1024 },
  maxPatternBytes: { min: 16, max: 65_535 },
  maxMetadataKeys: { min: 0, max: 1_024 },
  maxMetadataBytes: { min: 0, max: 65_535 },
  maxConnections: { min: 1, max: 1_000_000 },
  maxConnectionsPerAddress: { min: 1, max: 1_000_000 },
  maxUnauthenticated: { min: 1, max: 100_000 },
  helloTimeoutMs: { min: 10, max: 60_000 },
  frameTimeoutMs: { min: 100, max: 600_000 },
  minFrameBytesPerSecond: { min: 1, max: 1_000_000_000 },
  maxPingsPerSecond: { min: 1, max: 1_000_000 },
  maxCancelsPerSecond: { min: 1, max: 1_000_000 },
  maxIdleFramesPerSecond: { min: 100, max: 1_000_000 },
  maxInFlightPerConnection: { min: 1, max: 65_535 },
  maxInFlight: { min: 1, max: 1_000_000 },
  streamWindowBytes: { min: 1_024, max: 64 * 1024 * 1024 },
  maxStreamsPerConnection: { min: 1, max: 65_535 },
  maxSendBufferBytes: { min: 64 * 1024, max: 1024 * 1024 * 1024 },
  maxBufferedBytes: { min: 1024 * 1024, max: 1024 ** 4 },
  maxDecodeDepth: { min: 1, max: 1_000 },
  maxDecodeNodes: { min: 1, max: 100_000_000 },
  sendStallMs: { min: 100, max: 600_000 },
};

/** What users write: any of the limits; times also as `'5s'`. */
export type LimitOptions = { [K in keyof TransportLimits]?: (K extends `${string}Ms` ? Duration : number) | undefined };

/** @throws ConfigurationError `OPTION_INVALID` naming `limits.<field>` */
export function transportLimits(options: LimitOptions = {}): TransportLimits {
  const limits = { ...TRANSPORT_LIMITS };
  for (const key of Object.keys(TRANSPORT_LIMITS) as (keyof TransportLimits)[]) {
    const read = key.endsWith('Ms') ? durationOption : integerOption;
    limits[key] = read(`limits.${key}`, options[key] as number | undefined, limits[key], RANGES[key]);
  }
  return limits;
}

/** What a hello tells the peer of them. */
export function peerLimits({
  maxFrameBytes,
  streamWindowBytes,
  maxInFlightPerConnection,
}: TransportLimits): PeerLimits {
  return { maxFrameBytes, streamWindowBytes, maxInFlight: maxInFlightPerConnection };
}
