import { describe, expect, it } from 'vitest';

import { FrameType, GoawayCode, PREFACE } from '../../../lib/wire/frame.js';
import {
  callHead,
  clientHello,
  frame,
  NONCE,
  rawClient,
  request,
  u32,
  type RawPeer,
} from '../../wire/support/raw-peer.js';
import { eventually, serve, type ServerSetup } from './support.js';

const FOREVER = () => new Promise(() => undefined);

async function* numbers() {
  for (let number = 0; ; number++) yield number;
}

const HANDLERS = { echo: (data: unknown) => data, wait: FOREVER, stream: () => numbers() };

async function ready(setup?: ServerSetup, hello?: Parameters<typeof clientHello>[0]) {
  const { acceptor, port } = await serve(HANDLERS, setup);
  const peer = await rawClient(port);
  await peer.greet(hello);
  return { acceptor, port, peer };
}

/** The GOAWAY before the end. */
async function goaway(peer: RawPeer) {
  const { code, callId, payload } = await peer.next(FrameType.GOAWAY);
  await peer.closed;
  return { code, lastCallId: callId, text: payload.toString() };
}

const hello = (overrides?: Parameters<typeof clientHello>[0]) =>
  frame(FrameType.HELLO, { payload: clientHello(overrides) });

describe('before the end of the handshake a server', () => {
  it.each<[string, Buffer, number]>([
    ['a byte that no preface has', Buffer.from('GET / HTTP/1.1\r\n\r\n'), GoawayCode.PROTOCOL_ERROR],
    ['another version of the framing', Buffer.from('ROOKERY\x02'), GoawayCode.HANDSHAKE_REFUSED],
    [
      'a HELLO over 4 KiB',
      Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: Buffer.alloc(4_097, 32) })]),
      GoawayCode.LIMIT_EXCEEDED,
    ],
    [
      'a HELLO that is not JSON',
      Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: 'nope' })]),
      GoawayCode.PROTOCOL_ERROR,
    ],
    ['a HELLO for other versions', Buffer.concat([PREFACE, hello({ versions: [2] })]), GoawayCode.HANDSHAKE_REFUSED],
    [
      'a HELLO without a common codec',
      Buffer.concat([PREFACE, hello({ codecs: ['cbor'] })]),
      GoawayCode.HANDSHAKE_REFUSED,
    ],
    [
      'a HELLO that requires an extension',
      Buffer.concat([PREFACE, hello({ required: ['x'] })]),
      GoawayCode.HANDSHAKE_REFUSED,
    ],
    [
      'a HELLO whose frame limit no answer would fit',
      Buffer.concat([PREFACE, hello({ limits: { maxFrameBytes: 1, streamWindowBytes: 1, maxInFlight: 1 } })]),
      GoawayCode.PROTOCOL_ERROR,
    ],
    ['a call', Buffer.concat([PREFACE, request(1, 'echo')]), GoawayCode.PROTOCOL_ERROR],
    ['a PING', Buffer.concat([PREFACE, frame(FrameType.PING)]), GoawayCode.PROTOCOL_ERROR],
    ['an extension frame', Buffer.concat([PREFACE, frame(0x80)]), GoawayCode.PROTOCOL_ERROR],
    [
      'a proof nobody asked for',
      Buffer.concat([PREFACE, frame(FrameType.AUTH, { payload: Buffer.alloc(32) })]),
      GoawayCode.PROTOCOL_ERROR,
    ],
    [
      'a HELLO with a critical flag',
      Buffer.concat([PREFACE, frame(FrameType.HELLO, { flags: 0x80, payload: clientHello() })]),
      GoawayCode.PROTOCOL_ERROR,
    ],
  ])('answers %s with a GOAWAY and closes', async (_, bytes, code) => {
    const { acceptor, port } = await serve(HANDLERS);
    const peer = await rawClient(port);
    peer.send(bytes);
    expect((await goaway(peer)).code).toBe(code);
    await eventually(() => acceptor.connections.size === 0);
  });

  it('survives a hello that names limits too small for a GOAWAY, and serves the next client', async () => {
    const { acceptor, port } = await serve(HANDLERS, { limits: { maxUnauthenticated: 1 } });
    for (let round = 0; round < 3; round++) {
      const peer = await rawClient(port);
      peer.send(PREFACE, hello({ limits: { maxFrameBytes: 1, streamWindowBytes: 1, maxInFlight: 1 } }));
      await peer.closed;
      await eventually(() => acceptor.connections.size === 0);
    }
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1, 'echo', 'still here'));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('"still here"');
  });

  it('sends as much of a long MANIFEST as a client with small frames takes', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`orders.${index}`, (data: unknown) => data]),
    );
    const { port } = await serve(many);
    const peer = await rawClient(port);
    peer.send(PREFACE, hello({ limits: { maxFrameBytes: 16_384, streamWindowBytes: 1, maxInFlight: 1 } }));
    const manifest = await peer.next(FrameType.MANIFEST);
    expect(manifest.payload.length).toBeLessThanOrEqual(16_384);
    expect(JSON.parse(manifest.payload.toString()).patterns.length).toBeGreaterThan(200);
    peer.send(request(1, 'orders.999', 'by its text'));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('"by its text"');
  });
});

describe('after the handshake a server', () => {
  const id = (callId: number) => ({ flags: 0x08, callId, payload: callHead('echo') });

  it.each<[string, Buffer]>([
    ['a second HELLO', hello()],
    ['a MANIFEST, which only servers send', frame(FrameType.MANIFEST, { payload: '{"patterns":[]}' })],
    ['a REPLY, which only servers send', frame(FrameType.REPLY, { callId: 1 })],
    ['an ERROR, which only servers send', frame(FrameType.ERROR, { callId: 1 })],
    ['a proof after all', frame(FrameType.AUTH, { payload: Buffer.alloc(32) })],
    ['a type that version 1 does not know', frame(0x7f)],
    ['type 0', frame(0)],
    ['a REQUEST with the id 0', frame(FrameType.REQUEST, id(0))],
    ['a REQUEST with the reserved id', frame(FrameType.REQUEST, id(0xffff_ffff))],
    ['an EVENT with an id and no ACK', frame(FrameType.EVENT, id(5))],
    ['an EVENT with ACK and no id', frame(FrameType.EVENT, { ...id(0), flags: 0x28 })],
    ['a REQUEST with a flag of EVENT', frame(FrameType.REQUEST, { ...id(1), flags: 0x28 })],
    ['a REQUEST with a flag of REPLY', frame(FrameType.REQUEST, { ...id(1), flags: 0x09 })],
    ['a REQUEST with a critical extension', frame(FrameType.REQUEST, { ...id(1), flags: 0x88 })],
    ['a critical extension frame', frame(0x80, { flags: 0x80 })],
    ['a REQUEST without a deadline', frame(FrameType.REQUEST, { callId: 1 })],
    ['a REQUEST with no time left', request(1, 'echo', 1, 0)],
    [
      'a REQUEST whose pattern runs over',
      frame(FrameType.REQUEST, { flags: 0x08, callId: 1, payload: '\0\0\0\u0001\0\u0009a' }),
    ],
    ['a CREDIT of three bytes', frame(FrameType.CREDIT, { callId: 1, payload: 'abc' })],
    ['a CREDIT of nothing', frame(FrameType.CREDIT, { callId: 1, payload: u32(0) })],
    ['a PING with a payload', frame(FrameType.PING, { payload: 'x' })],
    ['a CANCEL with a payload', frame(FrameType.CANCEL, { callId: 1, payload: 'x' })],
  ])('answers %s with GOAWAY PROTOCOL_ERROR and closes', async (_, bytes) => {
    const { acceptor, peer } = await ready();
    peer.send(bytes);
    expect((await goaway(peer)).code).toBe(GoawayCode.PROTOCOL_ERROR);
    await eventually(() => acceptor.connections.size === 0);
  });

  it('answers an id that is in use with PROTOCOL_ERROR, and ends the call that has it', async () => {
    const { acceptor, peer } = await ready();
    peer.send(request(3, 'wait'), request(3, 'wait'));
    expect(await goaway(peer)).toMatchObject({ code: GoawayCode.PROTOCOL_ERROR, lastCallId: 3 });
    await eventually(() => acceptor.connections.size === 0);
  });

  it('answers a frame over its limit with LIMIT_EXCEEDED as soon as the header is there', async () => {
    const { peer } = await ready({ limits: { maxFrameBytes: 16_384 } });
    peer.send(Buffer.from('00004001100000000000000100000000', 'hex'));
    expect((await goaway(peer)).code).toBe(GoawayCode.LIMIT_EXCEEDED);
  });

  it('names the last call it took, so that the caller knows which were never executed', async () => {
    const { peer } = await ready();
    peer.send(request(4, 'wait'), request(9, 'wait'), frame(0x7f), request(10, 'wait'));
    expect(await goaway(peer)).toMatchObject({ code: GoawayCode.PROTOCOL_ERROR, lastCallId: 9 });
  });

  it('ignores what it may ignore: extensions, PONG, GOAWAY, optional flags, and frames for calls that are over', async () => {
    const { peer } = await ready();
    peer.send(
      frame(0x80, { flags: 0x3f, payload: 'whatever' }),
      frame(0xff, { callId: 77 }),
      frame(FrameType.PONG, { callId: 9 }),
      frame(FrameType.GOAWAY, { code: 4, payload: 'bye' }),
      frame(FrameType.CANCEL, { callId: 77 }),
      frame(FrameType.CANCEL, { callId: 77, code: 999 }),
      frame(FrameType.CREDIT, { callId: 77, payload: u32(10) }),
      frame(FrameType.PING, { flags: 0x40, callId: 5 }),
    );
    expect((await peer.next(FrameType.PONG)).callId).toBe(5);
    peer.send(frame(FrameType.REQUEST, { flags: 0x48, callId: 1, payload: callHead('echo', 'fine') }));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('"fine"');
  });

  it('answers a PING with the same token', async () => {
    const { peer } = await ready();
    peer.send(frame(FrameType.PING, { callId: 0xdeadbeef }));
    expect(await peer.next(FrameType.PONG)).toMatchObject({ callId: 0xdeadbeef, code: 0, flags: 0 });
  });

  it('refuses a pattern or metadata over its limits, and keeps the connection', async () => {
    const { peer } = await ready({ limits: { maxPatternBytes: 16, maxMetadataBytes: 8, maxMetadataKeys: 1 } });
    const metadata = Buffer.from('0009016100057878787878', 'hex');
    const twoKeys = Buffer.from('00080161000001620000', 'hex');
    const withMetadata = (block: Buffer) => Buffer.concat([u32(1_000), Buffer.from('00046563686f', 'hex'), block]);
    peer.send(request(1, 'x'.repeat(17)));
    peer.send(frame(FrameType.REQUEST, { flags: 0x18, callId: 2, payload: withMetadata(metadata) }));
    peer.send(frame(FrameType.REQUEST, { flags: 0x18, callId: 3, payload: withMetadata(twoKeys) }));
    for (const [callId, reason] of [
      [1, 'PATTERN_INVALID'],
      [2, 'METADATA_INVALID'],
      [3, 'METADATA_INVALID'],
    ] as const) {
      const refusal = await peer.next(FrameType.ERROR);
      expect(refusal).toMatchObject({ callId, flags: 0x20 });
      expect(JSON.parse(refusal.payload.toString())).toMatchObject({ reason });
    }
    peer.send(request(4, 'echo', 'fine'));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(4);
  });

  it.each<[string, Buffer]>([
    ['for a call that has sent nothing', frame(FrameType.CREDIT, { callId: 1, payload: u32(1) })],
    ['beyond what the stream has used', frame(FrameType.CREDIT, { callId: 2, payload: u32(0xffff_ffff) })],
  ])('answers credit %s with PROTOCOL_ERROR', async (_, credit) => {
    const { peer } = await ready(undefined, {
      limits: { maxFrameBytes: 65_536, streamWindowBytes: 100, maxInFlight: 8 },
    });
    peer.send(request(1, 'wait'), request(2, 'stream'));
    await peer.next(FrameType.REPLY);
    peer.send(credit);
    expect((await goaway(peer)).code).toBe(GoawayCode.PROTOCOL_ERROR);
  });

  it('takes all of a stream’s credit back, to the byte', async () => {
    const { peer } = await ready(undefined, {
      limits: { maxFrameBytes: 65_536, streamWindowBytes: 130, maxInFlight: 8 },
    });
    peer.send(request(2, 'stream'));
    for (let round = 0; round < 20; round++) {
      const frames = [];
      for (let used = 0; used < 130;) {
        const reply = await peer.next(FrameType.REPLY);
        used += 12 + reply.payload.length;
        frames.push(reply);
      }
      const used = frames.reduce((sum, { payload }) => sum + 12 + payload.length, 0);
      await peer.settled();
      expect(peer.frames.filter(({ type }) => type === FrameType.REPLY)).toEqual([]);
      peer.send(frame(FrameType.CREDIT, { callId: 2, payload: u32(used) }));
    }
  });

  it('keeps a stream going whose id a cancelled call had before', async () => {
    let finish: (value: unknown) => void = () => undefined;
    const { port } = await serve({ slow: () => new Promise((resolve) => (finish = resolve)), stream: () => numbers() });
    const peer = await (
      await rawClient(port)
    ).greet({ limits: { maxFrameBytes: 65_536, streamWindowBytes: 40, maxInFlight: 8 } });
    peer.send(request(5, 'slow'), frame(FrameType.CANCEL, { callId: 5 }), request(5, 'stream'));
    // Window and one frame: four of 13 bytes.
    for (let sent = 0; sent < 4; sent++) await peer.next(FrameType.REPLY);
    finish('too late');
    await peer.settled();
    const used = 4 * 13;
    peer.send(frame(FrameType.CREDIT, { callId: 5, payload: u32(used) }));
    expect(await peer.next(FrameType.REPLY)).toMatchObject({ callId: 5, flags: 0 });
  });

  it('derives the correlation id of a call that brought none from the client’s nonce', async () => {
    const { port } = await serve({ who: (_data, call) => call.correlationId });
    const peer = await (await rawClient(port)).greet();
    peer.send(request(1_000, 'who'));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe(`"${NONCE.slice(0, 12)}-rs"`);
  });
});
