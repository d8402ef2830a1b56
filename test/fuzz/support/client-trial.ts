import { SharedSecret } from '../../../lib/wire/auth.js';
import { Flag, FrameType, PREFACE } from '../../../lib/wire/frame.js';
import { frame, type Frame } from '../../wire/support/raw-peer.js';
import {
  ERROR_BODIES,
  MANIFESTS,
  ODD_SERVER_FRAMES,
  REPLY_BODIES,
  SERVER_HELLOS,
  type ClientCommand,
} from './client-commands.js';
import { ClientModel } from './client-model.js';
import { ClientRig } from './client-rig.js';
import { floodOf } from './flood.js';
import { settled } from './memory-socket.js';
import { LIMITS, SECRETS } from './server-rig.js';
import { sorted, Transcript } from './transcript.js';

const STALL_MS = LIMITS.frameTimeoutMs + 2_000;
const NO_LAST_CALL = 0xffff_ffff;
const BUSY = { surelyOpenMs: 4_900, surelyGoneMs: 6_300 };
const IDLE = { surelyGoneMs: 26_300 };
const ASKS_AFTER_MS = 2_900;

/** Gives commands to a real connection and to the model, and compares what comes of each. */
export class ClientTrial {
  readonly rig: ClientRig;
  readonly model: ClientModel;
  private readonly transcript = new Transcript();
  private readonly clientHello: Buffer;
  private serverHello: Buffer = SERVER_HELLOS.keyed;

  constructor(
    hasKeys: boolean,
    /** Bytes of a chunk; 0 for all at once. */
    private readonly chunkBytes: number,
  ) {
    this.rig = new ClientRig(hasKeys);
    this.model = new ClientModel(hasKeys);
    this.clientHello = this.transcript.read(this.rig.socket.take())[0]!.payload;
  }

  async give(command: ClientCommand): Promise<void> {
    const { model, rig } = this;
    rig.told.length = 0;
    const bytes = this.bytesOf(command);
    const index = 'call' in command ? model.openIndex(command.call) : undefined;
    const unconsumed = 'call' in command ? model.unconsumed(command.call) : 0;
    const wasEnded = model.state === 'ended';
    const expected = model.expect(command);
    if (bytes) this.feed(bytes);
    else if (command.do === 'start') expected.push(...this.start(command));
    else this.act(command, index, unconsumed);
    await settled();
    if (command.do === 'stall') await this.pass(STALL_MS);
    if (command.do === 'pass') await this.letSilenceEnd();
    // Who has ended its side waits for the peer's to end, too: it does at once.
    if (!rig.socket.isOpen && !rig.socket.destroyed) rig.socket.destroy();
    await settled();
    this.compare(command, expected, wasEnded);
  }

  async finish(): Promise<void> {
    const { rig } = this;
    rig.socket.destroy();
    await settled();
    if (rig.socket.take().length > 0) throw new Error('something was written after the end');
    rig.assertNothingLeft();
  }

  private start(command: ClientCommand & { do: 'start' }): string[] {
    const { rig, model } = this;
    const hadRoom = model.hasRoom;
    const call = rig.start(command.kind, command.pattern);
    if ((call !== undefined) !== hadRoom) throw new Error(`there is ${call ? '' : 'no '}room for a call`);
    return call ? model.starts(command, call.callId) : [];
  }

  private act(command: ClientCommand, index: number | undefined, unconsumed: number): void {
    const { connection, socket, calls, clock } = this.rig;
    const call = index === undefined ? undefined : calls[index]!;
    switch (command.do) {
      case 'cancel':
        if (call) connection.cancel(call);
        return;
      case 'consume':
        if (call?.call.options.isPulled === true) connection.release(call, unconsumed);
        return;
      case 'close':
        return connection.close();
      case 'pass':
        return clock.advance(command.ms);
      case 'auth':
      case 'bare':
      case 'error':
      case 'flood':
      case 'goaway':
      case 'hangup':
      case 'hello':
      case 'manifest':
      case 'odd':
      case 'preface':
      case 'reply':
      case 'stall':
      case 'start':
      default:
        return socket.destroy();
    }
  }

  /** In steps, for who got no answer looks once more before it gives up. */
  private async pass(ms: number): Promise<void> {
    const { clock } = this.rig;
    for (const part of [ms * 0.55, ms * 0.45]) {
      clock.advance(part);
      for (let turn = 0; turn < 3; turn++) await settled();
    }
  }

  private feed(bytes: Buffer): void {
    const size = this.chunkBytes === 0 || bytes.length > 10_000 ? bytes.length : this.chunkBytes;
    for (let at = 0; at < bytes.length; at += size) this.rig.socket.feed(Buffer.from(bytes.subarray(at, at + size)));
  }

  private bytesOf(command: ClientCommand): Buffer | undefined {
    const { model } = this;
    switch (command.do) {
      case 'preface':
        return command.how === 'right'
          ? PREFACE
          : Buffer.from(command.how === 'version' ? 'ROOKERY\u0002' : 'HTTP/1.1');
      case 'hello':
        this.serverHello = SERVER_HELLOS[command.how];
        return frame(FrameType.HELLO, { payload: this.serverHello });
      case 'auth':
        return frame(FrameType.AUTH, { payload: this.proof(command.how) });
      case 'manifest':
        return frame(FrameType.MANIFEST, { payload: MANIFESTS[command.how] });
      case 'reply': {
        const payload = command.flags & Flag.NO_VALUE ? '' : REPLY_BODIES[command.body];
        return frame(FrameType.REPLY, { flags: command.flags, callId: model.idOf(command.to), payload });
      }
      case 'error': {
        const flags = command.isRefused ? Flag.REFUSED : 0;
        return frame(FrameType.ERROR, { flags, callId: model.idOf(command.to), payload: ERROR_BODIES[command.body] });
      }
      case 'bare':
        return frame(command.type === 'OPTIONAL' ? 0x91 : FrameType[command.type], {
          flags: command.flags,
          callId: 77,
        });
      case 'goaway': {
        const last = model.idOf(command.last);
        const callId = last === 7_777 ? NO_LAST_CALL : last;
        return frame(FrameType.GOAWAY, { code: command.code, callId, payload: 'bye\r\n' });
      }
      case 'odd':
        return ODD_SERVER_FRAMES[command.how];
      case 'flood':
        return floodOf(command.type, model.nowMs);
      case 'stall':
        return frame(FrameType.PING).subarray(0, 7);
      case 'cancel':
      case 'close':
      case 'consume':
      case 'hangup':
      case 'pass':
      case 'start':
      default:
        return undefined;
    }
  }

  private proof(how: 'right' | 'wrong' | 'short'): Buffer {
    if (how === 'short') return Buffer.alloc(31);
    const proof = new SharedSecret(SECRETS[0]!).prove('server', this.clientHello, this.serverHello);
    if (how === 'wrong') proof[0]! ^= 0x80;
    return proof;
  }

  private async letSilenceEnd(): Promise<void> {
    const { model, rig } = this;
    for (let turn = 0; turn < 3; turn++) await settled();
    if (model.state !== 'ready' && model.state !== 'draining') return;
    const silentMs = model.nowMs - model.lastReadMs;
    const owedMs = model.nowMs - Math.max(model.lastReadMs, model.busySinceMs);
    const isSurelyGone = silentMs > IDLE.surelyGoneMs || (model.isBusy && owedMs > BUSY.surelyGoneMs);
    const isGone = rig.socket.destroyed;
    if (isGone ? silentMs < BUSY.surelyOpenMs : isSurelyGone)
      throw new Error(`after ${silentMs} ms of silence the connection is ${isGone ? 'gone' : 'still there'}`);
    if (isGone) model.end('CONNECTION_LOST');
  }

  private compare(command: ClientCommand, expected: readonly string[], wasEnded: boolean): void {
    const { rig, model, transcript } = this;
    const frames = transcript.read(rig.socket.take());
    if (wasEnded && frames.length + rig.told.length > 0) throw new Error('something happened after the end');
    const lines = frames.filter((one) => !this.isAllowed(command, one)).map((one) => transcript.line(one));
    const told = rig.told.map((line) => line.trimEnd());
    const [actual, wanted] = [sorted([...lines, ...told]), sorted(expected.map((line) => line.trimEnd()))];
    if (actual !== wanted)
      throw new Error(`it came to\n${actual}\ninstead of\n${wanted}\nafter ${JSON.stringify(command)}`);
    const hasEnded = model.state === 'ended';
    if (hasEnded === rig.socket.isOpen)
      throw new Error(`${hasEnded ? 'still open' : 'closed'} after ${JSON.stringify(command)}`);
  }

  /** A PING when it has heard nothing for long; and of a flood, answers to its beginning. */
  private isAllowed(command: ClientCommand, { type }: Frame): boolean {
    if (type === FrameType.PONG && command.do === 'flood') return true;
    return (
      type === FrameType.PING && (command.do === 'stall' || this.model.nowMs - this.model.lastReadMs >= ASKS_AFTER_MS)
    );
  }
}
