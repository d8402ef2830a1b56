import { FrameType, unknownFlags } from './frame.js';
import { malformed } from './metadata-block.js';

/** Payload of the types that have a fixed one, and one more, so that 0 stands for any. */
const PAYLOAD_BYTES = new Uint8Array(256);
PAYLOAD_BYTES[FrameType.CANCEL] = PAYLOAD_BYTES[FrameType.PING] = PAYLOAD_BYTES[FrameType.PONG] = 1;
PAYLOAD_BYTES[FrameType.CREDIT] = 5;

/** What both ends check of every frame before they look at what it means. @throws RookeryError `FRAME_MALFORMED` */
export function checkFrame(type: number, flags: number, payloadBytes: number): void {
  if (unknownFlags(type, flags) !== 0) throw malformed(`a frame of type ${type} with the flags ${flags}`);
  const fixed = PAYLOAD_BYTES[type]!;
  if (fixed !== 0 && payloadBytes !== fixed - 1)
    throw malformed(`a frame of type ${type} with a payload of ${payloadBytes} bytes`);
}
