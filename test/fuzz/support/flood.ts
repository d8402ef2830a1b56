import { FrameType } from '../../../lib/wire/frame.js';
import { frame } from '../../wire/support/raw-peer.js';
import { LIMITS } from './server-rig.js';

/** More frames than a peer may send at once, however long it was silent before: over that time it might have sent some of them. */
export function floodOf(type: 'PING' | 'PONG', silentMs: number): Buffer {
  const { maxPingsPerSecond, maxIdleFramesPerSecond } = LIMITS;
  const limit = type === 'PING' ? maxPingsPerSecond : maxIdleFramesPerSecond * (1 + silentMs / 1_000);
  const one = frame(FrameType[type]);
  return Buffer.alloc(one.length * Math.ceil(limit * 1.2), one);
}
