import { createServer, type Server, type Socket } from 'node:net';

type Handler = (data: unknown, call: MinimalCall) => AsyncIterable<unknown> | Promise<unknown>;

/** What a handler knows of its call. */
export interface MinimalCall {
  readonly signal: AbortSignal;
  readonly remainingMs: number;
}

interface Running {
  abort: AbortController;
  credit: number;
  wake?: (() => void) | undefined;
}

/**
 * The least a server must do, written from PROTOCOL.md alone: nothing of lib/ is imported here. Numbers are the document's.
 */
export class MinimalServer {
  readonly server: Server;
  readonly sockets = new Set<Socket>();

  constructor(
    private readonly service: string,
    private readonly handlers: Record<string, Handler>,
  ) {
    this.server = createServer((socket) => new Connection(socket, this.service, this.handlers, this.sockets));
  }
}

class Connection {
  private unread = Buffer.alloc(0);
  private hasPreface = false;
  private windowBytes = 0;
  private readonly calls = new Map<number, Running>();

  constructor(
    private readonly socket: Socket,
    private readonly service: string,
    private readonly handlers: Record<string, Handler>,
    sockets: Set<Socket>,
  ) {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.calls.forEach(({ abort }) => abort.abort()));
    socket.on('data', (chunk) => this.read(chunk));
  }

  private send(type: number, flags: number, code: number, callId: number, payload: string | Buffer = ''): number {
    const bytes = Buffer.from(payload);
    const header = Buffer.alloc(12);
    header.writeUInt32BE(bytes.length, 0);
    header.writeUInt16BE(type * 256 + flags, 4);
    header.writeUInt16BE(code, 6);
    header.writeUInt32BE(callId, 8);
    this.socket.write(Buffer.concat([header, bytes]));
    return header.length + bytes.length;
  }

  private read(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk]);
    if (!this.hasPreface && this.unread.length >= 8) {
      if (this.unread.toString('latin1', 0, 8) !== 'ROOKERY\x01') return void this.socket.destroy();
      this.hasPreface = true;
      this.unread = this.unread.subarray(8);
    }
    while (this.hasPreface && this.unread.length >= 12) {
      const end = 12 + this.unread.readUInt32BE(0);
      if (this.unread.length < end) return;
      const frame = this.unread.subarray(0, end);
      this.unread = this.unread.subarray(end);
      this.onFrame(frame[4]!, frame[5]!, frame.readUInt32BE(8), frame.subarray(12));
    }
  }

  private onFrame(type: number, flags: number, callId: number, payload: Buffer): void {
    if (type === 0x01) this.onHello(JSON.parse(payload.toString()) as Record<string, unknown>);
    else if (type === 0x10 || type === 0x11) this.onCall(type, flags, callId, payload);
    else if (type === 0x14) this.end(callId)?.abort.abort();
    else if (type === 0x15) this.onCredit(callId, payload.readUInt32BE(0));
    else if (type === 0x20) this.send(0x21, 0, 0, callId);
    else if (type < 0x80 && type !== 0x21 && type !== 0x22) this.goaway(1, 'violation');
  }

  private onHello(hello: Record<string, unknown>): void {
    const { versions, codecs, limits, required = [] } = hello as Record<string, unknown[]>;
    this.socket.write('ROOKERY\x01');
    if (!versions!.includes(1) || !codecs!.includes('json') || required.length > 0) return this.goaway(5, 'refused');
    this.windowBytes = (limits as unknown as { streamWindowBytes: number }).streamWindowBytes;
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const own = { maxFrameBytes: 1_048_576, streamWindowBytes: 1, maxInFlight: 100 };
    const answer = { service: this.service, instance: 'minimal-1', nonce, limits: own, version: 1, codec: 'json' };
    this.send(0x01, 0, 0, 0, JSON.stringify(answer));
    this.send(0x03, 0, 0, 0, '{"patterns":[]}');
  }

  private onCall(type: number, flags: number, callId: number, payload: Buffer): void {
    const remainingMs = payload.readUInt32BE(0);
    const patternEnd = 6 + payload.readUInt16BE(4);
    const bodyAt = (flags & 0x10) === 0 ? patternEnd : patternEnd + 2 + payload.readUInt16BE(patternEnd);
    const handler = this.handlers[payload.toString('utf8', 6, patternEnd)];
    if (handler === undefined)
      return this.fail(callId, 0x20, { code: 'UNIMPLEMENTED', reason: 'NO_HANDLER', message: '' });
    const body = payload.subarray(bodyAt);
    const data: unknown = (flags & 0x02) !== 0 ? body : body.length > 0 ? JSON.parse(body.toString()) : undefined;
    const call = { abort: new AbortController(), credit: this.windowBytes };
    if (callId !== 0) this.calls.set(callId, call);
    const timer = setTimeout(() => this.end(callId)?.abort.abort(), remainingMs);
    void this.run(handler, data, callId, call, remainingMs, type === 0x11).finally(() => clearTimeout(timer));
  }

  private async run(
    handler: Handler,
    data: unknown,
    callId: number,
    call: Running,
    remainingMs: number,
    isEvent: boolean,
  ): Promise<void> {
    const isOver = () => this.calls.get(callId) !== call;
    try {
      const answer = handler(data, { signal: call.abort.signal, remainingMs });
      if (Symbol.asyncIterator in answer) {
        for await (const value of answer) {
          if (isOver()) return;
          call.credit -= this.send(0x12, 0, 0, callId, JSON.stringify(value));
          while (call.credit <= 0 && !isOver()) await new Promise<void>((resolve) => (call.wake = resolve));
        }
        if (!isOver()) this.send(0x12, 0x01 | 0x04, 0, callId);
      } else {
        const value = await answer;
        if (!isOver()) this.send(0x12, 0x01, 0, callId, isEvent || value === undefined ? '' : JSON.stringify(value));
      }
    } catch (error) {
      if (!isOver()) this.fail(callId, 0, { code: 'UNKNOWN', message: (error as Error).message });
    }
    if (!isOver()) this.end(callId);
  }

  private onCredit(callId: number, bytes: number): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    call.credit += bytes;
    call.wake?.();
  }

  private fail(callId: number, flags: number, body: object): void {
    if (callId !== 0) this.send(0x13, flags, 0, callId, JSON.stringify(body));
  }

  private end(callId: number): Running | undefined {
    const call = this.calls.get(callId);
    this.calls.delete(callId);
    call?.wake?.();
    return call;
  }

  private goaway(code: number, text: string): void {
    this.send(0x22, 0, code, 0, text);
    this.socket.end();
  }
}
