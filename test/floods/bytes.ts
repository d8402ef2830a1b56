import { FrameType, Flag, PREFACE } from '../../lib/wire/frame.js';
import { callHead, clientHello, frame, u32 } from '../wire/support/raw-peer.js';

/** Preface and HELLO. */
export function greeting(overrides: Parameters<typeof clientHello>[0] = {}): Buffer {
  return Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: clientHello(overrides) })]);
}

/** Bytes of the server's preface, HELLO and the first of its MANIFEST: who has heard so many has been greeted. */
export const GREETED_BYTES = 200;

/** Patterns of flooded-orders.mjs, by their index in the MANIFEST. */
export const PATTERNS = { get: 0, slow: 1, patient: 2, dump: 3, noted: 4 } as const;

const REMAINING_MS = 20_000;

/** A REQUEST by index with a body of one digit, as JSON: 17 bytes. */
export function call(pattern: keyof typeof PATTERNS, callId = 1): Buffer {
  return callWith(pattern, Buffer.from('1'), { callId });
}

export interface CallFields {
  callId?: number;
  flags?: number;
}

/** A REQUEST by index with any body. */
export function callWith(
  pattern: keyof typeof PATTERNS,
  body: Uint8Array,
  { callId = 1, flags = 0 }: CallFields = {},
): Buffer {
  const payload = Buffer.concat([u32(REMAINING_MS), body]);
  return frame(FrameType.REQUEST, { flags, code: PATTERNS[pattern], callId, payload });
}

/** Bytes of a REPLY with a body of one digit. */
export const ANSWER_BYTES = 13;

/** An EVENT nobody wants acknowledged. */
export function event(): Buffer {
  const payload = Buffer.concat([u32(REMAINING_MS), Buffer.from('1')]);
  return frame(FrameType.EVENT, { code: PATTERNS.noted, payload });
}

/** A REQUEST by text. */
export function callByText(pattern: string, callId = 1): Buffer {
  return frame(FrameType.REQUEST, { flags: Flag.PATTERN, callId, payload: callHead(pattern, 1) });
}

export function cancel(callId: number): Buffer {
  return frame(FrameType.CANCEL, { callId });
}

export function credit(callId: number, bytes: number): Buffer {
  return frame(FrameType.CREDIT, { callId, payload: u32(bytes) });
}

/** The first so many bytes of a call with a body of `bodyBytes`. */
export function partOfCall(bodyBytes: number, had: number): Buffer {
  return callWith('get', Buffer.alloc(bodyBytes), { flags: Flag.RAW }).subarray(0, had);
}

/** The same frame many times. */
export function times(count: number, frame: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame));
}

/** Frames of the calls 1 to `count`. */
export function numbered(count: number, make: (callId: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index + 1)));
}
