import { connect, type Socket } from 'node:net';

type Fields = Record<string, unknown>;

interface Greeting {
  hello: Fields;
  manifest: Fields;
}

/**
 * The least a client must do, written from PROTOCOL.md alone: nothing of lib/ is imported here. Numbers are the document's.
 */
export class MinimalClient {
  /** The server's HELLO and MANIFEST, once they are there. */
  readonly ready: Promise<Greeting>;
  readonly closed: Promise<void>;
  /** Code and text of the last GOAWAY. */
  goaway: { code: number; lastCallId: number; text: string } | undefined;
  /** Bytes of credit this client gave. */
  givenBytes = 0;
  pings = 0;

  private readonly socket: Socket;
  private unread = Buffer.alloc(0);
  private hasPreface = false;
  private hello: Fields | undefined;
  private becomeReady!: (greeting: Greeting) => void;
  private readonly calls = new Map<number, { values: unknown[]; owed: number; end(error?: Error): void }>();
  private nextId = 1;

  constructor(
    port: number,
    private readonly service: string,
    private readonly windowBytes = 65_536,
  ) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.ready = new Promise((resolve) => (this.becomeReady = resolve));
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.on('error', () => undefined);
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const limits = { maxFrameBytes: 1_048_576, streamWindowBytes: windowBytes, maxInFlight: 1 };
    const hello = { service: '', instance: 'minimal', nonce, limits, versions: [1], codecs: ['json'] };
    this.socket.write(Buffer.from('ROOKERY\x01'));
    this.send(0x01, 0, 0, Buffer.from(JSON.stringify(hello)));
  }

  /** Every value of the answer; rejects with an error that has the fields of the ERROR. */
  call(pattern: string, data: unknown, timeoutMs = 5_000): Promise<unknown[]> {
    if (this.goaway !== undefined) return Promise.reject(new Error('the server wants no further calls'));
    const id = this.nextId++;
    const text = Buffer.from(pattern);
    const head = Buffer.alloc(6);
    head.writeUInt32BE(timeoutMs, 0);
    head.writeUInt16BE(text.length, 4);
    const body = data === undefined ? '' : JSON.stringify(data);
    return new Promise((resolve, reject) => {
      const values: unknown[] = [];
      const end = (error?: Error) => (error === undefined ? resolve(values) : reject(error));
      this.calls.set(id, { values, owed: 0, end });
      this.send(0x10, 0x08, id, Buffer.concat([head, text, Buffer.from(body)]));
    });
  }

  end(): void {
    this.socket.end();
  }

  private send(type: number, flags: number, callId: number, payload: Uint8Array): void {
    const header = Buffer.alloc(12);
    header.writeUInt32BE(payload.length, 0);
    header[4] = type;
    header[5] = flags;
    header.writeUInt32BE(callId, 8);
    this.socket.write(Buffer.concat([header, payload]));
  }

  private read(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk]);
    if (!this.hasPreface && this.unread.length >= 8) {
      if (this.unread.toString('latin1', 0, 8) !== 'ROOKERY\x01') return void this.socket.destroy();
      this.hasPreface = true;
      this.unread = this.unread.subarray(8);
    }
    while (this.hasPreface && this.unread.length >= 12) {
      const length = this.unread.readUInt32BE(0);
      if (this.unread.length < 12 + length) return;
      const frame = this.unread.subarray(0, 12 + length);
      this.unread = this.unread.subarray(12 + length);
      this.onFrame(frame[4]!, frame[5]!, frame.readUInt16BE(6), frame.readUInt32BE(8), frame.subarray(12));
    }
  }

  private onFrame(type: number, flags: number, code: number, callId: number, payload: Buffer): void {
    if (type === 0x01) this.checkHello(JSON.parse(payload.toString()) as Fields);
    else if (type === 0x03) this.becomeReady({ hello: this.hello!, manifest: JSON.parse(payload.toString()) });
    else if (type === 0x12) this.onReply(flags, callId, payload);
    else if (type === 0x13) this.finish(callId, errorOf(payload));
    else if (type === 0x20) this.answerPing(callId);
    else if (type === 0x22) this.onGoaway(code, callId, payload);
    else if (type < 0x80 && type !== 0x21) this.socket.destroy();
  }

  private checkHello(hello: Fields): void {
    this.hello = hello;
    const isMeant = hello['service'] === this.service && hello['version'] === 1 && hello['codec'] === 'json';
    if (!isMeant || hello['key'] !== undefined) this.socket.destroy();
  }

  private onReply(flags: number, callId: number, payload: Buffer): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    const [isLast, isRaw, hasNoValue] = [0x01, 0x02, 0x04].map((bit) => (flags & bit) !== 0);
    if (!hasNoValue)
      call.values.push(isRaw ? payload : payload.length > 0 ? JSON.parse(payload.toString()) : undefined);
    if (isLast) return this.finish(callId);
    call.owed += 12 + payload.length;
    if (call.owed * 2 < this.windowBytes) return;
    const credit = Buffer.alloc(4);
    credit.writeUInt32BE(call.owed);
    this.givenBytes += call.owed;
    call.owed = 0;
    this.send(0x15, 0, callId, credit);
  }

  private finish(callId: number, error?: Error): void {
    const call = this.calls.get(callId);
    this.calls.delete(callId);
    call?.end(error);
    if (this.goaway !== undefined && this.calls.size === 0) this.end();
  }

  private answerPing(token: number): void {
    this.pings++;
    this.send(0x21, 0, token, Buffer.alloc(0));
  }

  private onGoaway(code: number, lastCallId: number, payload: Buffer): void {
    this.goaway = { code, lastCallId, text: payload.toString('utf8', 0, 1_024) };
    if (this.calls.size === 0) this.end();
  }
}

/** An ERROR without a body is one all the same. */
function errorOf(payload: Buffer): Error {
  const fields = payload.length === 0 ? {} : (JSON.parse(payload.toString()) as Fields);
  return Object.assign(new Error(), fields);
}
