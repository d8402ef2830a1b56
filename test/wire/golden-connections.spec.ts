import { describe, expect, it, vi } from 'vitest';

import { RemoteError } from '../../lib/core/errors.js';
import type { Metadata } from '../../lib/core/metadata.js';
import { OutgoingCall, type OutgoingCallOptions } from '../../lib/transport/outgoing-call.js';
import type { ConnectionCall } from '../../lib/transport/client-connection.js';
import { KeyRing } from '../../lib/wire/auth.js';
import { FrameType, PREFACE } from '../../lib/wire/frame.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';
import { standardCodecs } from '../../lib/wire/standard-codecs.js';
import {
  dial,
  errorOf,
  eventually,
  serve,
  type ClientSetup,
  type HandlerSetup,
  type Line,
  type ServerSetup,
} from '../unit/transport/support.js';
import { golden, goldenNames } from './support/golden-file.js';
import { rawClient, rawServer, type Frame, type RawPeer, frame } from './support/raw-peer.js';

/** Nonces are random, but for these tests. */
const fixed = vi.hoisted(() => ({ nonce: '' }));
vi.mock('../../lib/wire/auth.js', async (original) => ({
  ...(await original<typeof import('../../lib/wire/auth.js')>()),
  freshNonce: () => fixed.nonce,
}));

const CLIENT_NONCE = 'AAECAwQFBgcICQoLDA0ODw';
const SERVER_NONCE = 'EBESExQVFhcYGRobHB0eHw';
const SECRET = 'correct horse battery staple';

const SETUP = { codecs: [msgpackCodec({ rows: false })] };
const ROWS = { codecs: standardCodecs() };
const KEYS = { ...SETUP, keys: new KeyRing({ secrets: [SECRET] }) };

const checked = new Set<string>();

/** The frame is the golden file's, byte for byte. */
function expectGolden(name: string, actual: Frame): void {
  const { type, ...fields } = actual;
  checked.add(name);
  expect(frame(type, fields).toString('hex'), name).toBe(golden(name).toString('hex'));
}

const ORDER = { id: 7, sku: 'A-1', gift: false };

/** Handlers in the order of the MANIFEST. */
const HANDLERS: HandlerSetup = {
  'orders.place': { idempotent: true, timeoutMs: 800, handle: (data) => data },
  'orders.watch': () => watch(),
  'orders.fail': () => {
    throw new RemoteError('sold out', { sku: 'A-1' }, { code: 'FAILED_PRECONDITION' });
  },
  'orders.nothing': () => undefined,
  'orders.file': () => Buffer.from([0xca, 0xfe]),
  'orders.list': () => Array.from({ length: 4 }, (_, index) => ({ id: index, sku: `A-${index}` })),
  'orders.wait': () => new Promise(() => undefined),
  'order.placed': { kind: 'event', handle: () => undefined },
};

async function* watch() {
  yield 'new';
}

/** A real server and somebody who sends it golden bytes. */
async function server(
  setup: ServerSetup = SETUP,
): Promise<RawPeer & { acceptor: Awaited<ReturnType<typeof serve>>['acceptor'] }> {
  fixed.nonce = SERVER_NONCE;
  const { acceptor, port } = await serve(HANDLERS, setup);
  return Object.assign(await rawClient(port), { acceptor });
}

async function greetedServer(setup: ServerSetup = SETUP) {
  const peer = await server(setup);
  peer.send(PREFACE, golden('client/hello'));
  await peer.next(FrameType.MANIFEST);
  return peer;
}

/** A real client and somebody who sends it golden bytes. */
async function client(setup: ClientSetup = SETUP, hello = 'server/hello'): Promise<{ line: Line; peer: RawPeer }> {
  fixed.nonce = CLIENT_NONCE;
  const { port, peers } = await rawServer((peer) => peer.send(PREFACE, golden(hello), golden('server/manifest')));
  const line = await dial(port, setup);
  return { line, peer: peers[0]! };
}

/** Before anything was heard. */
const NOW = 0;

/** A call with exactly five seconds left. */
class GoldenCall implements ConnectionCall {
  callId = 0;
  heldBytes = 0;
  owedBytes = 0;
  readonly call: OutgoingCall;
  readonly told: unknown[] = [];

  constructor(kind: 'message' | 'event', pattern: string, data?: unknown, options: OutgoingCallOptions = {}) {
    this.call = new OutgoingCall('orders', kind, pattern, data, options, NOW, NOW + 5_000, true);
  }

  sendOn(line: Line): this {
    line.connection.send(this, line.connection.announced(this.call), NOW);
    return this;
  }

  next(value: unknown): void {
    this.told.push(value);
  }
  last(value: unknown): void {
    this.told.push(value, 'last');
  }
  complete(): void {
    this.told.push('complete');
  }
  fail(error: unknown): void {
    this.told.push(error);
  }
}

const message = (pattern: string, data?: unknown, metadata?: Metadata) =>
  new GoldenCall('message', pattern, data, { metadata });

describe('the golden bytes of a client, as a real one sends them', () => {
  it('begin with the preface', () => {
    expect(PREFACE.toString('hex')).toBe(golden('preface').toString('hex'));
  });

  it('are what this client says in the handshake', async () => {
    const { peer } = await client();
    expectGolden('client/hello', await peer.next(FrameType.HELLO));
    const { peer: all } = await client(ROWS, 'server/hello-with-rows');
    expectGolden('client/hello-with-rows', await all.next(FrameType.HELLO));
  });

  it('are what this client says in the handshake with a secret', async () => {
    fixed.nonce = CLIENT_NONCE;
    const { port, peers } = await rawServer((peer) =>
      peer.send(PREFACE, golden('server/hello-with-key'), golden('server/auth'), golden('server/manifest')),
    );
    await dial(port, KEYS);
    expectGolden('client/hello-with-keys', await peers[0]!.next(FrameType.HELLO));
    expectGolden('client/auth', await peers[0]!.next(FrameType.AUTH));
  });

  it.each<[string, () => GoldenCall]>([
    ['client/request-by-index', () => message('orders.place', ORDER)],
    ['client/request-by-text', () => message('orders.unknown', ORDER)],
    [
      'client/request-with-metadata',
      () => message('orders.place', ORDER, { 'x-correlation-id': 'c-1', traceparent: '00-ab-cd-01' }),
    ],
    ['client/request-raw', () => message('orders.file', Buffer.from([0xca, 0xfe]))],
    ['client/request-nothing', () => message('orders.nothing')],
    ['client/event', () => new GoldenCall('event', 'order.placed', ORDER)],
    ['client/event-with-ack', () => new GoldenCall('event', 'order.placed', ORDER, { wantsAck: true })],
  ])('are what this client sends: %s', async (name, call) => {
    const { line, peer } = await client();
    call().sendOn(line);
    expectGolden(name, await peer.next(name.startsWith('client/event') ? FrameType.EVENT : FrameType.REQUEST));
  });

  it('are how this client cancels', async () => {
    const { line, peer } = await client();
    line.connection.cancel(message('orders.wait').sendOn(line));
    expectGolden('client/cancel-unsubscribed', await peer.next(FrameType.CANCEL));
    line.connection.cancel(message('orders.wait').sendOn(line), 1);
    expectGolden('client/cancel-deadline', await peer.next(FrameType.CANCEL));
  });

  it('are how this client gives credit, asks and answers', async () => {
    const { line, peer } = await client({
      ...SETUP,
      keepAlive: { busyAfterMs: 60_000, busyTimeoutMs: 60_000, idleAfterMs: 20, idleTimeoutMs: 60_000 },
    });
    const call = message('orders.watch').sendOn(line);
    line.connection.release(call, 131_072);
    expectGolden('client/credit', await peer.next(FrameType.CREDIT));
    line.connection.cancel(call);
    expectGolden('client/ping', await peer.next(FrameType.PING));
    peer.send(golden('server/ping'));
    expectGolden('client/pong', await peer.next(FrameType.PONG));
  });
});

describe('the golden bytes of a server, as a real one sends them', () => {
  it('are what this server says in the handshake', async () => {
    const peer = await server();
    peer.send(golden('preface'), golden('client/hello'));
    expectGolden('server/hello', await peer.next(FrameType.HELLO));
    expectGolden('server/manifest', await peer.next(FrameType.MANIFEST));
  });

  it('are what this server says in the handshake with a secret', async () => {
    const peer = await server(KEYS);
    peer.send(golden('preface'), golden('client/hello-with-keys'));
    expectGolden('server/hello-with-key', await peer.next(FrameType.HELLO));
    expectGolden('server/auth', await peer.next(FrameType.AUTH));
    peer.send(golden('client/auth'));
    expectGolden('server/manifest', await peer.next(FrameType.MANIFEST));
  });

  it.each([
    ['client/request-by-index', 'server/reply'],
    ['client/request-with-metadata', 'server/reply'],
    ['client/request-nothing', 'server/reply-undefined'],
    ['client/request-raw', 'server/reply-raw'],
    ['client/event-with-ack', 'server/event-acknowledged'],
  ])('are what this server answers %s with: %s', async (request, reply) => {
    const peer = await greetedServer();
    peer.send(golden(request));
    expectGolden(reply, await peer.next(FrameType.REPLY));
  });

  it('are how this server fails and refuses', async () => {
    const peer = await greetedServer();
    peer.send(request(2));
    expectGolden('server/error-of-handler', await peer.next(FrameType.ERROR));
    peer.send(golden('client/request-by-text'));
    expectGolden('server/error-refused', await peer.next(FrameType.ERROR));
  });

  it('are how this server streams', async () => {
    const peer = await greetedServer();
    peer.send(request(1));
    expectGolden('server/stream-value', await peer.next(FrameType.REPLY));
    expectGolden('server/stream-end', await peer.next(FrameType.REPLY));
  });

  it('are how this server writes rows, to a client that offered to read them', async () => {
    const peer = await server(ROWS);
    peer.send(PREFACE, golden('client/hello-with-rows'));
    expectGolden('server/hello-with-rows', await peer.next(FrameType.HELLO));
    peer.send(request(5));
    expectGolden('server/reply-rows', await peer.next(FrameType.REPLY));
    const plain = await greetedServer(ROWS);
    plain.send(request(5));
    expect((await plain.next(FrameType.REPLY)).payload[0]).toBe(0x94);
  });

  it('are how this server asks and answers', async () => {
    const keepAlive = { busyAfterMs: 20, busyTimeoutMs: 60_000, idleAfterMs: 20, idleTimeoutMs: 60_000 };
    const peer = await server({ ...SETUP, keepAlive });
    peer.send(PREFACE, golden('client/hello'));
    expectGolden('server/ping', await peer.next(FrameType.PING));
    peer.send(golden('client/ping'));
    expectGolden('server/pong', await peer.next(FrameType.PONG));
  });

  it('are how this server says goodbye', async () => {
    const peer = await greetedServer();
    peer.acceptor.announceDrain();
    expectGolden('server/goaway-draining', await peer.next(FrameType.GOAWAY));
    peer.send(golden('client/request-by-index'));
    await peer.next(FrameType.REPLY);
    void peer.acceptor.close(0);
    expectGolden('server/goaway-last-call', await peer.next(FrameType.GOAWAY));
  });

  it('are how this server ends a connection whose client breaks the protocol', async () => {
    const peer = await greetedServer();
    peer.send(golden('client/request-by-index'), golden('server/reply'));
    expectGolden('server/goaway-violation', await peer.next(FrameType.GOAWAY));
  });

  it('end what the golden bytes of a client cancel', async () => {
    for (const cancel of ['client/cancel-unsubscribed', 'client/cancel-deadline']) {
      const peer = await greetedServer();
      const callId = golden(cancel).readUInt32BE(8);
      peer.send(request(6, callId), golden(cancel), request(1, callId));
      expect((await peer.next(FrameType.REPLY)).callId).toBe(callId);
    }
  });
});

describe('the golden bytes of a server, as a real client takes them', () => {
  /** Starts call 1, to which the server sends golden bytes. */
  async function answered(call: GoldenCall, ...names: string[]) {
    const { line, peer } = await client();
    call.sendOn(line);
    await peer.next(call.call.kind === 'event' ? FrameType.EVENT : FrameType.REQUEST);
    peer.send(...names.map(golden));
    await eventually(() => call.told.length > 0);
    return call.told;
  }

  it('are the handshake and what the handlers declare', async () => {
    const { line } = await client();
    expect(line.connection.peer).toEqual({ service: 'orders', instance: 'orders-1' });
    const announced = line.connection.announced(message('orders.place').call);
    expect(announced).toEqual({
      index: 0,
      entry: { pattern: 'orders.place', kind: 'message', idempotent: true, timeoutMs: 800 },
    });
  });

  it('are replies', async () => {
    expect(await answered(message('orders.place', ORDER), 'server/reply')).toEqual([ORDER, 'last']);
    expect(await answered(message('orders.nothing'), 'server/reply-undefined')).toEqual([undefined, 'last']);
    expect(await answered(message('orders.file'), 'server/reply-raw')).toEqual([Buffer.from([0xca, 0xfe]), 'last']);
    expect(await answered(message('orders.watch'), 'server/stream-value', 'server/stream-end')).toEqual([
      'new',
      'complete',
    ]);
    const rows = [0, 1, 2, 3].map((id) => ({ id, sku: `A-${id}` }));
    expect(await answered(message('orders.list'), 'server/reply-rows')).toEqual([rows, 'last']);
    const event = new GoldenCall('event', 'order.placed', ORDER, { wantsAck: true });
    expect(await answered(event, 'server/event-acknowledged')).toEqual([undefined, 'last']);
  });

  it('are errors that know whether the call was executed', async () => {
    const [failed] = await answered(message('orders.fail'), 'server/error-of-handler');
    expect(failed).toMatchObject({
      reason: 'HANDLER_THREW',
      code: 'FAILED_PRECONDITION',
      message: 'sold out',
      data: { sku: 'A-1' },
      outcome: 'handled',
    });
    const [refused] = await answered(message('orders.unknown'), 'server/error-refused');
    expect(refused).toMatchObject({ reason: 'NO_HANDLER', code: 'UNIMPLEMENTED', outcome: 'refused' });
  });

  it('are goodbyes, with and without a promise', async () => {
    const { line, peer } = await client();
    const calls = [message('orders.wait').sendOn(line), message('orders.wait').sendOn(line)];
    peer.send(golden('server/goaway-draining'));
    await eventually(() => line.isDraining);
    expect(line.connection.hasRoom).toBe(false);
    peer.send(golden('server/goaway-last-call'));
    peer.socket.end();
    await line.closed;
    expect(calls.map(({ told }) => (told[0] as RemoteError).outcome)).toEqual(['unknown', 'refused']);
  });

  it('are the reason why a connection was closed', async () => {
    const { line, peer } = await client();
    const lost = errorOf(line.ask('orders.wait'));
    await peer.next(FrameType.REQUEST);
    peer.send(golden('server/goaway-violation'));
    peer.socket.end();
    expect(await line.closed).toMatchObject({ reason: 'FRAME_MALFORMED' });
    expect((await lost).outcome).toBe('unknown');
  });
});

describe('the golden files', () => {
  // The last test of the file: those before it say what they compared.
  it('are all compared with what these two ends really send', () => {
    expect([...goldenNames('client'), ...goldenNames('server')].filter((name) => !checked.has(name))).toEqual([]);
  });
});

/** A REQUEST by index with nothing in it. */
function request(index: number, callId = 1): Buffer {
  return frame(FrameType.REQUEST, { code: index, callId, payload: Buffer.from([0, 0, 0x13, 0x88]) });
}
