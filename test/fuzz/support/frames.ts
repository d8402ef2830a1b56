import { Flag, FrameType } from '../../../lib/wire/frame.js';
import { clientHello, frame, request, serverHello, u32 } from '../../wire/support/raw-peer.js';

/** The largest payload that the decoders and connections under test take. */
export const MAX_PAYLOAD_BYTES = 16_384;

/** Bytes of which many mean something where a type, flags, a code or a length stand. */
export const TELLING_BYTES = [
  0x00, 0x01, 0x02, 0x03, 0x08, 0x0c, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20, 0x21, 0x22, 0x40, 0x7f, 0x80, 0xfe,
  0xff,
];

/** Frames of every type and of telling sizes. */
export const EVERY_FRAME: readonly Buffer[] = [
  frame(FrameType.HELLO, { payload: clientHello() }),
  frame(FrameType.HELLO, { payload: serverHello() }),
  frame(FrameType.AUTH, { payload: Buffer.alloc(32, 7) }),
  frame(FrameType.MANIFEST, { payload: '{"patterns":[{"pattern":"orders.place","kind":"message"}]}' }),
  request(1, 'orders.place', { id: 7 }),
  frame(FrameType.EVENT, { flags: Flag.PATTERN, payload: 'placed' }),
  frame(FrameType.REPLY, { flags: Flag.END, callId: 1, payload: Buffer.alloc(150, 7) }),
  frame(FrameType.REPLY, { callId: 9, payload: Buffer.alloc(500, 1) }),
  frame(FrameType.REPLY, { flags: Flag.END | Flag.NO_VALUE, callId: 0x0102_0304 }),
  frame(FrameType.ERROR, { flags: Flag.REFUSED, callId: 2, payload: '{"code":"ABORTED"}' }),
  frame(FrameType.CANCEL, { code: 1, callId: 3 }),
  frame(FrameType.CREDIT, { callId: 3, payload: u32(131_072) }),
  frame(FrameType.PING, { callId: 0xffff_ffff }),
  frame(FrameType.PONG, { callId: 7 }),
  frame(FrameType.GOAWAY, { code: 1, callId: 3, payload: 'bye' }),
  frame(0xff, { flags: 0xff, code: 0xffff, callId: 0xffff_ffff, payload: 'x' }),
];

/** As large as they may be, and a byte less or more. */
export const LARGE_FRAMES: readonly Buffer[] = [0, -1, 1].map((more) =>
  frame(FrameType.REPLY, { callId: 5, payload: Buffer.alloc(MAX_PAYLOAD_BYTES + more, 3) }),
);
