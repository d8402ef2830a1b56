import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import type { Codec } from '../../../dist/wire/codec.js';
import type { FrameSink } from '../../../dist/wire/frame-decoder.js';
import type { FrameWriter } from '../../../dist/wire/frame-writer.js';
import { builtModule } from '../built-library.js';
import { pagedValues } from './paged-values.js';
import type { StreamValue, System } from './system.js';

/**
 * Rookery's frames and codec over a bare socket, one write per tick or 64 KiB: no Nest, no discovery, no balancing, no deadlines, no flow control.
 * What the library costs above this is what these cost.
 */
export const floorFrames: System = {
  async serve() {
    const wire = await loadWire();
    const server = createServer((socket) => answer(new FloorLink(socket, wire)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { address: String(port), close: async () => server.close() };
  },

  async connect(address) {
    const wire = await loadWire();
    const socket = connect(Number(address), '127.0.0.1');
    await once(socket, 'connect');
    const calls = new FloorCalls(new FloorLink(socket, wire));
    return {
      echo: (payload) => new Promise((resolve) => calls.start(ECHO, payload, { onValue: resolve, onEnd() {} })),
      stream: (values, onValue) =>
        new Promise((resolve) => {
          calls.start(STREAM, { values }, { onValue: (value) => onValue(value as StreamValue), onEnd: resolve });
        }),
      close: async () => socket.destroy(),
    };
  },
};

/** `code` of a request: the index of its handler. */
const ECHO = 0;
const STREAM = 1;

function answer(link: FloorLink): void {
  const { FrameType, Flag } = link.wire.frame;
  link.onFrame = (_type, flags, code, callId, bytes, start, end) => {
    const request = link.read(flags, bytes, start, end);
    if (code === ECHO) return link.write(FrameType.REPLY, Flag.END, 0, callId, request);
    pagedValues((request as { values: number }).values).subscribe({
      next: (value: StreamValue) => link.write(FrameType.REPLY, 0, 0, callId, value),
      complete: () => link.write(FrameType.REPLY, Flag.END | Flag.NO_VALUE, 0, callId, undefined),
    });
  };
}

interface FloorCall {
  onValue(value: unknown): void;
  onEnd(): void;
}

class FloorCalls {
  private readonly pending = new Map<number, FloorCall>();
  private lastId = 0;

  constructor(private readonly link: FloorLink) {
    const { Flag } = link.wire.frame;
    link.onFrame = (_type, flags, _code, callId, bytes, start, end) => {
      const call = this.pending.get(callId)!;
      if ((flags & Flag.NO_VALUE) === 0) call.onValue(link.read(flags, bytes, start, end));
      if ((flags & Flag.END) === 0) return;
      this.pending.delete(callId);
      call.onEnd();
    };
  }

  start(handler: number, data: unknown, call: FloorCall): void {
    const callId = (this.lastId = (this.lastId + 1) >>> 0);
    this.pending.set(callId, call);
    this.link.write(this.link.wire.frame.FrameType.REQUEST, 0, handler, callId, data);
  }
}

/** A batch of so much leaves at once: beyond it the writer's buffer would be grown, and thrown away, each tick. */
const FLUSH_BYTES = 64 * 1024;

/** One socket: frames in, frames out. */
class FloorLink {
  onFrame!: FrameSink['onFrame'];
  private readonly codec: Codec;
  private readonly writer: FrameWriter;
  private isFlushScheduled = false;

  constructor(
    private readonly socket: Socket,
    readonly wire: Wire,
  ) {
    const { maxFrameBytes } = wire.frame.WIRE_LIMITS;
    this.codec = wire.msgpackCodec();
    this.writer = new wire.FrameWriter(maxFrameBytes);
    const decoder = new wire.FrameDecoder({ onFrame: (...frame) => this.onFrame(...frame) }, maxFrameBytes);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => decoder.push(chunk));
    socket.on('error', () => socket.destroy());
    this.writer.raw(wire.frame.PREFACE);
  }

  read(flags: number, bytes: Buffer, start: number, end: number): unknown {
    return this.wire.readBody(flags, this.codec, bytes, start, end);
  }

  write(type: number, flags: number, code: number, callId: number, body: unknown): void {
    const { writer, wire } = this;
    const start = writer.begin(type, flags | wire.bodyFlags(body), code, callId);
    wire.writeBody(body, this.codec, writer);
    writer.end(start);
    if (writer.length >= FLUSH_BYTES) return this.flush();
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    process.nextTick(this.flush);
  }

  private readonly flush = (): void => {
    this.isFlushScheduled = false;
    if (this.writer.length === 0) return;
    this.socket.write(this.writer.view());
    if (this.socket.writableLength === 0) this.writer.reset();
    else this.writer.renew();
  };
}

type Wire = Awaited<ReturnType<typeof loadWire>>;

async function loadWire() {
  const [frame, frameWriter, frameDecoder, body, codec] = await Promise.all([
    builtModule<typeof import('../../../dist/wire/frame.js')>('wire/frame.js'),
    builtModule<typeof import('../../../dist/wire/frame-writer.js')>('wire/frame-writer.js'),
    builtModule<typeof import('../../../dist/wire/frame-decoder.js')>('wire/frame-decoder.js'),
    builtModule<typeof import('../../../dist/wire/body.js')>('wire/body.js'),
    builtModule<typeof import('../../../dist/wire/msgpack/msgpack-codec.js')>('wire/msgpack/msgpack-codec.js'),
  ]);
  return { frame, ...frameWriter, ...frameDecoder, ...body, ...codec };
}
