import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { onTestFinished } from 'vitest';

import { FrameDecoder, type FrameSink } from '../../../lib/wire/frame-decoder.js';
import { FrameWriter } from '../../../lib/wire/frame-writer.js';
import { FrameType, PREFACE } from '../../../lib/wire/frame.js';
import { encodeHello, type ClientHello, type ServerHello } from '../../../lib/wire/hello.js';

/** One frame as it was read. */
export interface Frame {
  type: number;
  flags: number;
  code: number;
  callId: number;
  payload: Buffer;
}

/** Keeps the frames a decoder finds. */
export function collectInto(frames: Frame[]): FrameSink {
  return {
    onFrame(type, flags, code, callId, bytes, start, end) {
      frames.push({ type, flags, code, callId, payload: Buffer.from(bytes.subarray(start, end)) });
    },
  };
}

export interface FrameFields {
  flags?: number;
  code?: number;
  callId?: number;
  payload?: Uint8Array | string;
}

/** A frame's bytes, whatever sense they make. */
export function frame(type: number, { flags = 0, code = 0, callId = 0, payload = '' }: FrameFields = {}): Buffer {
  const writer = new FrameWriter(Infinity);
  const start = writer.begin(type, flags, code, callId);
  writer.raw(typeof payload === 'string' ? Buffer.from(payload) : payload);
  writer.end(start);
  return Buffer.from(writer.view());
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const NONCE = 'AAECAwQFBgcICQoLDA0ODw';

export const PEER_LIMITS = { maxFrameBytes: 4 * 1024 * 1024, streamWindowBytes: 256 * 1024, maxInFlight: 1024 };

export function clientHello(overrides: Partial<Record<keyof ClientHello, unknown>> = {}): Buffer {
  const hello = {
    service: 'checkout',
    instance: 'checkout-1',
    versions: [1],
    codecs: ['json'],
    nonce: NONCE,
    limits: PEER_LIMITS,
    keys: [],
    required: [],
  };
  return encodeHello({ ...hello, ...overrides } as ClientHello);
}

export function serverHello(overrides: Partial<Record<keyof ServerHello, unknown>> = {}): Buffer {
  const hello = {
    service: 'orders',
    instance: 'orders-1',
    version: 1,
    codec: 'json',
    nonce: NONCE,
    limits: PEER_LIMITS,
  };
  return encodeHello({ ...hello, ...overrides } as ServerHello);
}

/** A request by pattern, without metadata, with a JSON body. */
export function request(callId: number, pattern: string, body?: unknown, remainingMs = 10_000): Buffer {
  return frame(FrameType.REQUEST, { flags: 0x08, callId, payload: callHead(pattern, body, remainingMs) });
}

export function callHead(pattern: string, body?: unknown, remainingMs = 10_000): Buffer {
  const text = Buffer.from(pattern);
  const size = Buffer.from([text.length >>> 8, text.length & 0xff]);
  return Buffer.concat([u32(remainingMs), size, text, Buffer.from(body === undefined ? '' : JSON.stringify(body))]);
}

/** A socket that speaks frames, and says what no well-behaved peer would. */
export class RawPeer {
  readonly frames: Frame[] = [];
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>;
  private readonly decoder: FrameDecoder;
  private waiters: (() => void)[] = [];
  private isClosed = false;

  constructor(readonly socket: Socket) {
    this.decoder = new FrameDecoder(collectInto(this.frames), 256 * 1024 * 1024);
    socket.on('data', (chunk) => {
      this.decoder.push(chunk);
      this.wake();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        this.wake();
        resolve();
      });
    });
  }

  send(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Takes the next frame of a type; the others stay for whoever asks for them. */
  async next(type: number, withinMs = 5_000): Promise<Frame> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const index = this.frames.findIndex((frame) => frame.type === type);
      if (index >= 0) return this.frames.splice(index, 1)[0]!;
      if (this.isClosed) throw new Error(`the peer closed without a frame of type 0x${type.toString(16)}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`no frame of type 0x${type.toString(16)} within ${withinMs} ms`);
      await this.news(leftMs);
    }
  }

  /** Waits until the peer has handled everything sent so far. */
  async settled(): Promise<void> {
    this.send(frame(FrameType.PING, { callId: 0x7777 }));
    await this.next(FrameType.PONG);
  }

  /** As a client: preface and HELLO, then waits for the MANIFEST. */
  async greet(overrides: Partial<Record<keyof ClientHello, unknown>> = {}): Promise<this> {
    this.send(PREFACE, frame(FrameType.HELLO, { payload: clientHello(overrides) }));
    await this.next(FrameType.MANIFEST);
    return this;
  }

  /** As a server: waits for the client's HELLO, then says who it is and what it serves. */
  async welcome(patterns: object[] = [], overrides: Partial<Record<keyof ServerHello, unknown>> = {}): Promise<this> {
    await this.next(FrameType.HELLO);
    const manifest = frame(FrameType.MANIFEST, { payload: JSON.stringify({ patterns }) });
    this.send(PREFACE, frame(FrameType.HELLO, { payload: serverHello(overrides) }), manifest);
    return this;
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  private news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** A raw client of a port; destroyed after the test. */
export async function rawClient(port: number): Promise<RawPeer> {
  const socket = connect({ host: '127.0.0.1', port });
  const peer = new RawPeer(socket);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return peer;
}

export interface RawServer {
  readonly port: number;
  /** Everybody who connected, in order. */
  readonly peers: RawPeer[];
}

/** A server that does whatever the test says; closed after it. */
export async function rawServer(
  onPeer: (peer: RawPeer, index: number) => void | Promise<unknown> = () => undefined,
): Promise<RawServer> {
  const peers: RawPeer[] = [];
  const server = createServer((socket) => {
    const peer = new RawPeer(socket);
    const index = peers.push(peer) - 1;
    // A peer that leaves early is part of some tests; what they expect they assert themselves.
    void Promise.resolve(onPeer(peer, index)).catch(() => undefined);
  });
  onTestFinished(() => {
    for (const { socket } of peers) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, peers };
}
