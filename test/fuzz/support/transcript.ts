import { FrameDecoder } from '../../../lib/wire/frame-decoder.js';
import { Flag, FrameType } from '../../../lib/wire/frame.js';
import { collectInto, type Frame } from '../../wire/support/raw-peer.js';

const NAMES = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** What one end wrote, read as it went. */
export class Transcript {
  private readonly frames: Frame[] = [];
  private readonly decoder = new FrameDecoder(collectInto(this.frames), 1 << 24);

  /** The frames of what was written now. @throws where half a frame was written */
  read(bytes: Buffer): Frame[] {
    this.decoder.push(bytes);
    if (this.decoder.isMidFrame) throw new Error('half a frame was written');
    return this.frames.splice(0);
  }

  /** A frame as models speak of it. */
  line({ type, flags, code, callId, payload }: Frame): string {
    const name = NAMES[type] ?? `0x${type.toString(16)}`;
    if (type === FrameType.ERROR)
      return `ERROR#${callId} ${flags & Flag.REFUSED ? 'REFUSED ' : ''}${reasonOf(payload)}`;
    if (type === FrameType.REPLY) return `REPLY#${callId} ${replyFlags(flags)}${brief(payload.toString('latin1'))}`;
    if (type === FrameType.PONG || type === FrameType.GOAWAY || type === FrameType.CANCEL)
      return `${name}#${callId} ${code}`;
    if (type === FrameType.CREDIT) return `CREDIT#${callId} ${payload.readUInt32BE()}`;
    return callId === 0 && code === 0 && flags === 0 ? name : `${name}#${callId} ${code} ${flags}`;
  }
}

/** Bodies as lines have them. */
export function brief(body: string): string {
  return body.length > 40 ? `${body.slice(0, 8)}… ${body.length}` : body;
}

function replyFlags(flags: number): string {
  const end = flags & Flag.END ? 'END ' : '';
  const raw = flags & Flag.RAW ? 'RAW ' : '';
  return flags & Flag.NO_VALUE ? `${end}NO_VALUE` : end + raw;
}

function reasonOf(payload: Buffer): string {
  const { reason, message } = JSON.parse(payload.toString()) as { reason?: string; message: string };
  if (message.includes('\n    at ')) throw new Error('a stack was written');
  return reason ?? 'HANDLER';
}

/**
 * Lines in an order that does not depend on which of several calls was quicker: each call's own stay in theirs, and so do those of the
 * connection.
 */
export function sorted(lines: readonly string[]): string {
  const keyed = lines.map((line, index) => ({ line, index, key: keyOf(line) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.index - b.index));
  return keyed.map(({ line }) => line).join('\n');
}

/** Of a call's frames its id, of what was told its first letters, of all others nothing. */
function keyOf(line: string): string {
  const call = /^(?:REPLY|ERROR|CREDIT|CANCEL|REQUEST|EVENT)#(\d+)/.exec(line);
  return call ? call[1]! : /^[a-z]/.test(line) ? 'told' : '';
}
