import { Flag } from '../../../lib/wire/frame.js';
import { REPLY_BODIES, type CallChoice, type ClientCommand } from './client-commands.js';
import { MAX_IN_FLIGHT, WINDOW_BYTES } from './server-rig.js';
import { brief } from './transcript.js';

const HEADER_BYTES = 12;
const NO_LAST_CALL = 0xffff_ffff;
/** An id that no call of a session reaches. */
const UNUSED_ID = 7_777;
const REASON_OF_GOAWAY: Record<number, string> = {
  1: 'FRAME_MALFORMED',
  2: 'SERVER_BUSY',
  3: 'AUTHENTICATION_FAILED',
  5: 'VERSION_UNSUPPORTED',
  6: 'PEER_FLOODED',
};

interface ModelCall {
  index: number;
  id: number;
  isPulled: boolean;
  /** Received and not given back; and of that, consumed. */
  held: number;
  owed: number;
}

type State = 'preface' | 'hello' | 'proof' | 'manifest' | 'ready' | 'draining' | 'ended';

/** Sections 3 to 14 of PROTOCOL.md as a client has to keep them. Each command returns what must come of it, as lines of text. */
export class ClientModel {
  state: State = 'preface';
  nowMs = 0;
  lastReadMs = 0;
  busySinceMs = 0;
  private hasChosenCodec = true;
  private started = 0;
  private readonly open: ModelCall[] = [];
  private readonly over: number[] = [];
  /** As the server's GOAWAY told it. */
  private lastExecuted = NO_LAST_CALL;
  private goawayReason: string | undefined;
  private out: string[] = [];

  constructor(private readonly hasKeys: boolean) {}

  expect(command: ClientCommand): string[] {
    this.out = [];
    if (this.state === 'ended') return this.out;
    switch (command.do) {
      case 'start':
        break;
      case 'cancel':
        this.onCancel(this.openCall(command.call));
        break;
      case 'consume':
        this.onConsume(this.openCall(command.call));
        break;
      case 'close':
        if (this.state === 'ready') this.state = 'draining';
        this.endIfDrained();
        break;
      case 'hangup':
        this.end(this.isGreeting ? 'HANDSHAKE_FAILED' : 'CONNECTION_LOST');
        break;
      case 'pass':
        this.nowMs += command.ms;
        break;
      case 'auth':
      case 'bare':
      case 'error':
      case 'flood':
      case 'goaway':
      case 'hello':
      case 'manifest':
      case 'odd':
      case 'preface':
      case 'reply':
      case 'stall':
      default:
        this.lastReadMs = this.nowMs;
        this.onBytes(command);
    }
    return this.out;
  }

  get hasRoom(): boolean {
    return this.state === 'ready' && this.open.length < MAX_IN_FLIGHT;
  }

  /** A call was started, under this id; 0 where nobody waits for its end. */
  starts(command: ClientCommand & { do: 'start' }, id: number): string[] {
    const { kind, pattern } = command;
    const isEvent = kind === 'event' || kind === 'acked';
    const index = isEvent ? (pattern === 'b' ? 1 : undefined) : pattern === 'a' ? 0 : undefined;
    const flags = (index === undefined ? Flag.PATTERN : 0) | (kind === 'acked' ? Flag.ACK : 0);
    const line = `${isEvent ? 'EVENT' : 'REQUEST'}#${id} ${index ?? 0} ${flags}`;
    const call = { index: this.started++, id, isPulled: kind === 'pulled', held: 0, owed: 0 };
    if (kind === 'event') return [line, `call ${call.index}: complete`];
    if (this.open.length === 0 && !this.isUnheard) this.busySinceMs = this.nowMs;
    if (id === 0 || this.open.some((other) => other.id === id)) throw new Error(`id ${id} is in use`);
    if (this.over.concat(this.open.map((other) => other.id)).some((other) => other >= id))
      throw new Error(`id ${id} is not above all before`);
    this.open.push(call);
    return [line];
  }

  idOf(choice: CallChoice): number {
    if (choice === 'none') return UNUSED_ID;
    if ('open' in choice) return this.openCall(choice.open)?.id ?? UNUSED_ID;
    return this.over.length === 0 ? UNUSED_ID : this.over[choice.over % this.over.length]!;
  }

  /** By its place among the calls of the rig. */
  openIndex(choice: number): number | undefined {
    return this.openCall(choice)?.index;
  }

  /** What a pulled call's reader has yet to consume. */
  unconsumed(choice: number): number {
    const call = this.openCall(choice);
    return call?.isPulled ? call.held - call.owed : 0;
  }

  /** Whether calls wait, or the server has said nothing since one did. */
  get isBusy(): boolean {
    return this.open.length > 0 || this.isUnheard;
  }

  end(reason: string): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    for (const { index, id } of this.open.splice(0).toSorted((a, b) => (a.id & 7) - (b.id & 7))) {
      const outcome = id > this.lastExecuted ? 'PEER_DRAINING refused' : 'CONNECTION_LOST unknown';
      this.out.push(`call ${index}: fail ${outcome}`);
    }
    this.out.push(`closed ${this.goawayReason ?? reason}`);
  }

  private get isUnheard(): boolean {
    return this.lastReadMs < this.busySinceMs;
  }

  private get isGreeting(): boolean {
    return this.state !== 'ready' && this.state !== 'draining';
  }

  private openCall(choice: number): ModelCall | undefined {
    return this.open.length === 0 ? undefined : this.open[choice % this.open.length];
  }

  private onBytes(command: ClientCommand): void {
    if (command.do === 'preface') return this.onPreface(command.how);
    if (this.state === 'preface') return this.end('HANDSHAKE_FAILED');
    if (command.do === 'odd' && command.how === 'a length over the limit') return this.end('FRAME_TOO_LARGE');
    if (command.do === 'goaway') return this.onGoaway(command.code, this.idOf(command.last));
    // The time for the handshake is its dialer's affair.
    if (this.isGreeting) return command.do === 'stall' ? undefined : this.onGreeting(command);
    switch (command.do) {
      case 'reply':
        return this.onReply(this.callOf(command.to), command.flags, command.body);
      case 'error':
        return this.onError(this.callOf(command.to), command.isRefused, command.body);
      case 'bare':
        if (command.type === 'PING') this.out.push('PONG#77 0');
        return;
      case 'flood':
        return this.end('PEER_FLOODED');
      case 'stall':
        return this.onStall();
      case 'auth':
      case 'cancel':
      case 'close':
      case 'consume':
      case 'hangup':
      case 'hello':
      case 'manifest':
      case 'odd':
      case 'pass':
      case 'start':
      default:
        return this.end('FRAME_MALFORMED');
    }
  }

  /** Part of a frame is a sign of life, but no more: who is asked and does not answer is gone before the time for the frame is over. */
  private onStall(): void {
    this.end(this.isBusy ? 'CONNECTION_LOST' : 'FRAME_TIMEOUT');
  }

  private onPreface(how: 'right' | 'stranger' | 'version'): void {
    if (how === 'right') this.state = 'hello';
    else this.end(how === 'version' ? 'VERSION_UNSUPPORTED' : 'HANDSHAKE_FAILED');
  }

  private onGreeting(command: ClientCommand): void {
    const { state } = this;
    if (command.do === 'hello' && state === 'hello') return this.onHello(command.how);
    if (command.do === 'auth' && state === 'proof') {
      if (command.how !== 'right') return this.end('AUTHENTICATION_FAILED');
      this.out.push('AUTH');
      this.state = 'manifest';
    } else if (command.do === 'manifest' && state === 'manifest') {
      if (!this.hasChosenCodec) return this.end('VERSION_UNSUPPORTED');
      if (command.how !== 'right') return this.end('FRAME_MALFORMED');
      this.state = 'ready';
      this.out.push('ready');
    } else this.end('FRAME_MALFORMED');
  }

  private onHello(how: string): void {
    if (how === 'no JSON' || how.startsWith('without')) return this.end('FRAME_MALFORMED');
    if (how === 'of version 2') return this.end('VERSION_UNSUPPORTED');
    if (how === 'of another service' || how === 'of another instance') return this.end('WRONG_INSTANCE');
    if (how === 'of another key' || this.hasKeys !== (how === 'keyed')) return this.end('AUTHENTICATION_FAILED');
    this.hasChosenCodec = how !== 'of a codec not offered';
    this.state = this.hasKeys ? 'proof' : 'manifest';
  }

  private callOf(choice: CallChoice): ModelCall | undefined {
    const id = this.idOf(choice);
    return this.open.find((call) => call.id === id);
  }

  private close(call: ModelCall): void {
    this.open.splice(this.open.indexOf(call), 1);
    this.over.push(call.id);
  }

  private tell(call: ModelCall, what: string): void {
    this.out.push(`call ${call.index}: ${what}`);
  }

  private onReply(call: ModelCall | undefined, flags: number, body: keyof typeof REPLY_BODIES): void {
    if (!call) return;
    const isLast = (flags & Flag.END) !== 0;
    const isRaw = (flags & Flag.RAW) !== 0;
    const bytes = REPLY_BODIES[body];
    if ((flags & Flag.NO_VALUE) !== 0) {
      if (isLast) this.last(call, 'complete');
      return;
    }
    const isUnreadable = body === 'broken' && !isRaw;
    if (isUnreadable && !isLast) this.out.push(`CANCEL#${call.id} 0`);
    if (isUnreadable) return this.last(call, 'fail DECODE_FAILED handled');
    const value = isRaw ? 'bytes' : brief(bytes.toString());
    if (isLast) return this.last(call, `last ${value}`);
    if (call.held >= WINDOW_BYTES) return this.end('FRAME_MALFORMED');
    call.held += HEADER_BYTES + bytes.length;
    this.tell(call, `next ${value}`);
    if (!call.isPulled) this.onConsume(call);
  }

  private last(call: ModelCall, what: string): void {
    this.close(call);
    this.tell(call, what);
    this.endIfDrained();
  }

  /** All that was not consumed is. */
  private onConsume(call: ModelCall | undefined): void {
    if (!call) return;
    call.owed = call.held;
    if (call.owed * 2 < WINDOW_BYTES) return;
    this.out.push(`CREDIT#${call.id} ${call.owed}`);
    call.held = call.owed = 0;
  }

  private onError(call: ModelCall | undefined, isRefused: boolean, body: string): void {
    if (!call) return;
    const reason = body === 'broken' ? 'DECODE_FAILED' : body === 'reason' ? 'SERVER_BUSY' : 'HANDLER_THREW';
    this.last(call, `fail ${reason} ${isRefused ? 'refused' : 'handled'}`);
  }

  private onCancel(call: ModelCall | undefined): void {
    if (!call) return;
    this.close(call);
    this.out.push(`CANCEL#${call.id} 0`);
    this.endIfDrained();
  }

  private onGoaway(code: number, last: number): void {
    this.lastExecuted = last === UNUSED_ID ? NO_LAST_CALL : last;
    if (code !== 0) this.goawayReason = REASON_OF_GOAWAY[code] ?? 'CONNECTION_LOST';
    if (this.isGreeting) return this.end('HANDSHAKE_FAILED');
    if (this.state === 'ready') this.out.push('draining');
    this.state = 'draining';
    this.endIfDrained();
  }

  private endIfDrained(): void {
    if (this.state === 'draining' && this.open.length === 0) this.end('CONNECTION_LOST');
  }
}
