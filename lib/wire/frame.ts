/**
 * The frame layout of protocol version 1. PROTOCOL.md is the specification; golden frames in `test/wire` pin it.
 *
 * ```
 *  0        4      5       6       8         12
 *  | length | type | flags | code  | call id | payload (length bytes) …
 * ```
 */
export const PROTOCOL_VERSION = 1;

/** What either end sends first, before any frame: `ROOKERY` and the version. No HTTP, TLS or length-prefixed JSON peer starts like it. */
export const PREFACE = Buffer.from([0x52, 0x4f, 0x4f, 0x4b, 0x45, 0x52, 0x59, PROTOCOL_VERSION]);

export const HEADER_BYTES = 12;

/** Types below 0x80 must be understood; unknown ones from 0x80 on are skipped. */
export const FrameType = {
  HELLO: 0x01,
  AUTH: 0x02,
  MANIFEST: 0x03,
  REQUEST: 0x10,
  EVENT: 0x11,
  REPLY: 0x12,
  ERROR: 0x13,
  CANCEL: 0x14,
  CREDIT: 0x15,
  PING: 0x20,
  PONG: 0x21,
  GOAWAY: 0x22,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Types from here on are extensions that a peer may skip. */
export const FIRST_OPTIONAL_TYPE = 0x80;

export const Flag = {
  /** REPLY: the last one of its call. */
  END: 0x01,
  /** REQUEST, EVENT, REPLY: the body is bytes as they are, not encoded by the codec. */
  RAW: 0x02,
  /** REPLY: carries no value (a stream that ends without one). */
  NO_VALUE: 0x04,
  /** REQUEST, EVENT: the pattern follows as text; otherwise `code` is its index in the MANIFEST. */
  PATTERN: 0x08,
  /** REQUEST, EVENT: metadata follows. */
  METADATA: 0x10,
  /** EVENT: answer with a REPLY or ERROR once every handler ended. ERROR: the call was refused unexecuted. */
  ACK: 0x20,
  REFUSED: 0x20,
  /** An extension that a peer who does not know it may ignore. */
  OPTIONAL: 0x40,
  /** An extension that a peer who does not know it must refuse. */
  CRITICAL: 0x80,
} as const;

/** Flags that mean something in version 1, by type. `OPTIONAL` may come anywhere and means nothing. */
const KNOWN_FLAGS: Partial<Record<number, number>> = {
  [FrameType.REQUEST]: Flag.RAW | Flag.PATTERN | Flag.METADATA,
  [FrameType.EVENT]: Flag.RAW | Flag.PATTERN | Flag.METADATA | Flag.ACK,
  [FrameType.REPLY]: Flag.END | Flag.RAW | Flag.NO_VALUE,
  [FrameType.ERROR]: Flag.REFUSED,
};

const UNKNOWN_FLAGS = Uint8Array.from({ length: 256 }, (_, type) =>
  type >= FIRST_OPTIONAL_TYPE ? Flag.CRITICAL : 0xff & ~(Flag.OPTIONAL | (KNOWN_FLAGS[type] ?? 0)),
);

/** The flags of a frame that its receiver must not pass over; 0 for a frame as version 1 knows it. */
export function unknownFlags(type: number, flags: number): number {
  return flags & UNKNOWN_FLAGS[type]!;
}

/** `code` of a CANCEL. */
export const CancelCode = { UNSUBSCRIBED: 0, DEADLINE: 1 } as const;

/** `code` of a GOAWAY: why the sender wants no further calls on this connection. */
export const GoawayCode = {
  DRAINING: 0,
  PROTOCOL_ERROR: 1,
  LIMIT_EXCEEDED: 2,
  AUTHENTICATION_FAILED: 3,
  IDLE: 4,
  HANDSHAKE_REFUSED: 5,
  FLOOD: 6,
} as const;

/** `call id` of a GOAWAY that promises nothing yet about which calls are executed. */
export const NO_LAST_CALL = 0xffff_ffff;

/** Ids of calls go from 1 to here. */
export const MAX_CALL_ID = 0xffff_fffe;

/** What every peer must accept as a payload after the handshake; the smallest `maxFrameBytes` a hello may name. */
export const MIN_FRAME_BYTES = 16 * 1024;

/** Limits of what one end accepts; all of them are checked before anything is buffered or decoded. */
export interface WireLimits {
  /** Payload of one frame. @default 4 MiB @range 16 KiB – 256 MiB */
  maxFrameBytes: number;
  /** HELLO and AUTH, i.e. everything before authentication. @default 4 KiB */
  maxHelloBytes: number;
  /** Pattern text. @default 256 bytes */
  maxPatternBytes: number;
  /** @default 64 */
  maxMetadataKeys: number;
  /** @default 16 KiB */
  maxMetadataBytes: number;
}

export const WIRE_LIMITS: Readonly<WireLimits> = {
  maxFrameBytes: 4 * 1024 * 1024,
  maxHelloBytes: 4 * 1024,
  maxPatternBytes: 256,
  maxMetadataKeys: 64,
  maxMetadataBytes: 16 * 1024,
};
