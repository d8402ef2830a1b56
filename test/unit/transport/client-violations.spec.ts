import { describe, expect, it } from 'vitest';

import { FrameType, PREFACE } from '../../../lib/wire/frame.js';
import { frame, rawServer, serverHello, u32, type RawPeer } from '../../wire/support/raw-peer.js';
import { dial, errorOf, eventually, Line, dialer } from './support.js';

const hello = (overrides?: Parameters<typeof serverHello>[0]) =>
  frame(FrameType.HELLO, { payload: serverHello(overrides) });
const manifest = (patterns: object[] = []) => frame(FrameType.MANIFEST, { payload: JSON.stringify({ patterns }) });
const reply = (callId: number, value: unknown, flags = 1) =>
  frame(FrameType.REPLY, { flags, callId, payload: JSON.stringify(value) });

/** A server that answers every REQUEST as the test says. */
async function answering(answer: (callId: number, peer: RawPeer) => void) {
  return rawServer(async (peer) => {
    await peer.welcome();
    for (;;) answer((await peer.next(FrameType.REQUEST, 60_000)).callId, peer);
  });
}

async function lineTo(answer: (callId: number, peer: RawPeer) => void, setup: Parameters<typeof dial>[1] = {}) {
  const { port, peers } = await answering(answer);
  const line = await dial(port, setup);
  return { line, peer: peers[0]! };
}

describe('a client that connects', () => {
  it.each<[string, Buffer, string]>([
    ['something else than Rookery', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'HANDSHAKE_FAILED'],
    ['another version of the framing', Buffer.from('ROOKERY\x02'), 'VERSION_UNSUPPORTED'],
    ['a version it did not offer', Buffer.concat([PREFACE, hello({ version: 2 })]), 'VERSION_UNSUPPORTED'],
    ['a codec it did not offer', Buffer.concat([PREFACE, hello({ codec: 'cbor' }), manifest()]), 'VERSION_UNSUPPORTED'],
    ['another service', Buffer.concat([PREFACE, hello({ service: 'billing' })]), 'WRONG_INSTANCE'],
    ['another instance', Buffer.concat([PREFACE, hello({ instance: 'orders-2' })]), 'WRONG_INSTANCE'],
    ['a key although it has none', Buffer.concat([PREFACE, hello({ key: 'abc' })]), 'AUTHENTICATION_FAILED'],
    [
      'a HELLO over 4 KiB',
      Buffer.concat([PREFACE, frame(FrameType.HELLO, { payload: Buffer.alloc(5_000, 32) })]),
      'FRAME_TOO_LARGE',
    ],
    ['a MANIFEST before the HELLO', Buffer.concat([PREFACE, manifest()]), 'HANDSHAKE_FAILED'],
    ['a REPLY before the MANIFEST', Buffer.concat([PREFACE, hello(), reply(1, 1)]), 'HANDSHAKE_FAILED'],
    ['a PING before the MANIFEST', Buffer.concat([PREFACE, hello(), frame(FrameType.PING)]), 'HANDSHAKE_FAILED'],
    ['an extension frame before the MANIFEST', Buffer.concat([PREFACE, hello(), frame(0x90)]), 'HANDSHAKE_FAILED'],
    ['two HELLOs', Buffer.concat([PREFACE, hello(), hello()]), 'HANDSHAKE_FAILED'],
    [
      'a proof nobody asked for',
      Buffer.concat([PREFACE, hello(), frame(FrameType.AUTH, { payload: Buffer.alloc(32) })]),
      'HANDSHAKE_FAILED',
    ],
    [
      'a MANIFEST that is no manifest',
      Buffer.concat([PREFACE, hello(), frame(FrameType.MANIFEST, { payload: '[]' })]),
      'HANDSHAKE_FAILED',
    ],
  ])('gives up on %s, and has sent no call', async (_, bytes, reason) => {
    const { port, peers } = await rawServer((peer) => peer.send(bytes));
    const error = await errorOf(dial(port, {}, { instanceId: 'orders-1' }));
    expect(error).toMatchObject({ reason, outcome: 'never-sent', service: 'orders', endpoint: `127.0.0.1:${port}` });
    await peers[0]!.closed;
  });

  it('hears from a GOAWAY why it is not let in', async () => {
    const { port } = await rawServer((peer) =>
      peer.send(PREFACE, frame(FrameType.GOAWAY, { code: 3, payload: 'no\r\nFORGED LINE' })),
    );
    const error = await errorOf(dial(port));
    expect(error).toMatchObject({ reason: 'AUTHENTICATION_FAILED', outcome: 'never-sent' });
    expect(error.message).toContain('no FORGED LINE');
  });

  it('looks at no more than a kilobyte of what a GOAWAY says', async () => {
    const { port } = await rawServer(async (peer) => {
      await peer.welcome();
      peer.send(frame(FrameType.GOAWAY, { code: 2, payload: 'x'.repeat(100_000) }));
      peer.socket.end();
    });
    const line = await dial(port);
    expect((await line.closed).message).toHaveLength(1_024);
  });

  it('gives up at its own time, however busily the other end drips', async () => {
    const { port } = await rawServer((peer) => {
      const bytes = Buffer.concat([PREFACE, hello()]);
      let at = 0;
      const timer = setInterval(() => peer.socket.write(bytes.subarray(at, ++at)), 10);
      peer.socket.once('close', () => clearInterval(timer));
    });
    const started = performance.now();
    const error = await errorOf(dial(port, { connectTimeoutMs: 150 }));
    expect(error.reason).toBe('HANDSHAKE_FAILED');
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('a connected client', () => {
  it.each<[string, Buffer]>([
    ['a REQUEST, which only clients send', frame(FrameType.REQUEST, { callId: 1, payload: u32(1_000) })],
    ['an EVENT', frame(FrameType.EVENT, { payload: u32(1_000) })],
    ['a CANCEL', frame(FrameType.CANCEL, { callId: 1 })],
    ['a CREDIT', frame(FrameType.CREDIT, { callId: 1, payload: u32(1) })],
    ['a second HELLO', hello()],
    ['a second MANIFEST, which would change what the indexes mean', manifest()],
    ['a type that version 1 does not know', frame(0x55)],
    ['a REPLY with the flag of an ERROR', frame(FrameType.REPLY, { flags: 0x20, callId: 1 })],
    ['a REPLY with a critical extension', frame(FrameType.REPLY, { flags: 0x81, callId: 1 })],
    ['a critical extension frame', frame(0xc0, { flags: 0x80 })],
    ['a PONG with a payload', frame(FrameType.PONG, { payload: 'x' })],
  ])('closes on %s; its calls are lost with their fate unknown', async (_, bytes) => {
    const { line, peer } = await lineTo((_callId, peer) => peer.send(bytes));
    const error = await errorOf(line.ask('orders.place'));
    expect(error).toMatchObject({ reason: 'CONNECTION_LOST', outcome: 'unknown' });
    expect(await line.closed).toMatchObject({ reason: 'FRAME_MALFORMED' });
    await peer.closed;
  });

  it('closes on a frame over the limit it announced', async () => {
    const { line } = await lineTo((_callId, peer) => peer.send(Buffer.from('000100001200000000000001', 'hex')), {
      limits: { maxFrameBytes: 16_384 },
    });
    expect(await errorOf(line.ask('orders.place'))).toMatchObject({ reason: 'CONNECTION_LOST' });
    expect(await line.closed).toMatchObject({ reason: 'FRAME_TOO_LARGE' });
  });

  it('ignores extensions, late replies and answers to pings it never sent', async () => {
    const { line } = await lineTo((callId, peer) =>
      peer.send(
        frame(0xff, { flags: 0x7f, payload: 'whatever' }),
        reply(callId + 5_000, 'somebody else’s'),
        frame(FrameType.ERROR, { callId: 9_999, payload: '{}' }),
        frame(FrameType.PONG, { callId: 3 }),
        reply(callId, 'mine', 0x41),
      ),
    );
    expect(await line.ask('orders.place')).toBe('mine');
  });

  it('answers a PING with the same token', async () => {
    const { line, peer } = await lineTo((callId, peer) => peer.send(reply(callId, 1)));
    await line.ask('a');
    peer.send(frame(FrameType.PING, { callId: 0xcafebabe }));
    expect((await peer.next(FrameType.PONG)).callId).toBe(0xcafebabe);
  });

  it('ends a call whose reply cannot be read, tells the server, and keeps the connection', async () => {
    const { line, peer } = await lineTo((callId, peer) =>
      peer.send(callId === 1 ? frame(FrameType.REPLY, { callId, payload: '{' }) : reply(callId, 'fine')),
    );
    const error = await errorOf(line.ask('a'));
    expect(error).toMatchObject({ reason: 'DECODE_FAILED', outcome: 'handled', code: 'INTERNAL' });
    expect(await peer.next(FrameType.CANCEL)).toMatchObject({ callId: 1 });
    expect(await line.ask('b')).toBe('fine');
  });

  it('closes on a stream that goes on without credit, so that nobody can fill its memory', async () => {
    const { port } = await answering((callId, peer) => {
      for (let sent = 0; sent < 3; sent++) peer.send(reply(callId, 'x'.repeat(1_000), 0));
    });
    const line = new Line(dialer({ limits: { streamWindowBytes: 1_024 } }));
    await line.open(port);
    const values: unknown[] = [];
    const { OutgoingCall } = await import('../../../lib/transport/outgoing-call.js');
    let failure: unknown;
    const pulled = {
      callId: 0,
      heldBytes: 0,
      owedBytes: 0,
      call: new OutgoingCall(
        'orders',
        'message',
        's',
        undefined,
        { isPulled: true },
        0,
        performance.now() + 5_000,
        true,
      ),
      next: (value: unknown) => void values.push(value),
      last: () => undefined,
      complete: () => undefined,
      fail: (error: unknown) => (failure = error),
    };
    line.connection.send(pulled, undefined, performance.now());
    expect(await line.closed).toMatchObject({ reason: 'FRAME_MALFORMED' });
    expect(values).toHaveLength(2);
    await eventually(() => failure !== undefined);
  });

  it('takes what was sent under its credit, however often it is used up', async () => {
    const { line } = await lineTo(
      (callId, peer) => {
        let left = 200;
        const send = (): void => {
          for (let sent = 0; sent < 2 && left > 0; sent++, left--) peer.send(reply(callId, 'x'.repeat(600), 0));
          if (left === 0) return peer.send(frame(FrameType.REPLY, { flags: 5, callId }));
          void peer.next(FrameType.CREDIT).then(send);
        };
        send();
      },
      { limits: { streamWindowBytes: 1_024 } },
    );
    expect(await line.all('s')).toHaveLength(200);
  });
});
