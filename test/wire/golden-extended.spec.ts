import { describe, expect, it } from 'vitest';

import type { RookeryError } from '../../lib/core/errors.js';
import { KeyRing } from '../../lib/wire/auth.js';
import { Flag, FrameType, GoawayCode, PREFACE } from '../../lib/wire/frame.js';
import { standardCodecs } from '../../lib/wire/standard-codecs.js';
import { dial, errorOf, eventually, Line, dialer, serve, type ServerSetup } from '../unit/transport/support.js';
import { flagged, golden, goldenNames } from './support/golden-file.js';
import { rawClient, rawServer, type RawPeer } from './support/raw-peer.js';

/** What later versions and extensions may add, and what an end of version 1 makes of it. */

const SETUP = { codecs: standardCodecs() };
const SECRET = 'correct horse battery staple';
const KEYS = { ...SETUP, keys: new KeyRing({ secrets: [SECRET] }) };
const ORDER = { id: 7, sku: 'A-1', gift: false };

const SKIPPED = golden('extended/frame-skipped');
const CRITICAL = golden('extended/frame-critical');
const UNKNOWN = golden('extended/frame-unknown');

async function server(setup: ServerSetup = SETUP) {
  const release: (() => void)[] = [];
  const handlers = {
    'orders.place': { idempotent: true, timeoutMs: 800, handle: (data: unknown) => data },
    'orders.wait': () => new Promise<void>((resolve) => release.push(resolve)),
    'orders.fail': () => undefined,
    'orders.nothing': () => undefined,
    'orders.file': () => Buffer.from([0xca, 0xfe]),
    'orders.list': () => undefined,
    'orders.seventh': () => undefined,
    'order.placed': { kind: 'event' as const, handle: () => undefined },
  };
  const { acceptor, port } = await serve(handlers, setup);
  return { acceptor, peer: await rawClient(port), release };
}

async function greeted() {
  const it = await server();
  it.peer.send(PREFACE, golden('client/hello'));
  await it.peer.next(FrameType.HELLO);
  await it.peer.next(FrameType.MANIFEST);
  return it;
}

/** The code of the GOAWAY before the end. */
async function goodbye(peer: RawPeer): Promise<number> {
  const { code } = await peer.next(FrameType.GOAWAY);
  await peer.closed;
  return code;
}

describe('a server of version 1', () => {
  it('serves a later client as one of version 1', async () => {
    const { peer } = await server();
    peer.send(PREFACE, golden('extended/client/hello'));
    const hello = JSON.parse((await peer.next(FrameType.HELLO)).payload.toString()) as Record<string, unknown>;
    expect(hello).toMatchObject({ version: 1, codec: 'msgpack' });
    expect(hello).not.toHaveProperty('extensions');
    peer.send(golden('client/request-by-index'));
    expect((await peer.next(FrameType.REPLY)).payload).toEqual(golden('server/reply').subarray(12));
  });

  it.each(['extended/client/hello-required', 'extended/client/hello-version-2', 'extended/client/hello-unknown-codec'])(
    'refuses %s with GOAWAY 5',
    async (name) => {
      const { peer } = await server();
      peer.send(PREFACE, golden(name));
      expect(await goodbye(peer)).toBe(GoawayCode.HANDSHAKE_REFUSED);
    },
  );

  it.each<[string, FrameType | undefined]>([
    ['client/request-by-index', FrameType.REPLY],
    ['client/request-by-text', FrameType.ERROR],
    ['client/request-with-metadata', FrameType.REPLY],
    ['client/request-nothing', FrameType.REPLY],
    ['client/request-raw', FrameType.REPLY],
    ['client/event', undefined],
    ['client/event-with-ack', FrameType.REPLY],
    ['client/cancel-unsubscribed', undefined],
    ['client/cancel-deadline', undefined],
    ['client/credit', undefined],
    ['client/ping', FrameType.PONG],
    ['client/pong', undefined],
    ['extended/client/cancel-unknown-code', undefined],
    ['extended/client/goaway-unknown-code', undefined],
    ['extended/frame-skipped', undefined],
  ])('takes %s with the flag OPTIONAL as it does without, and none with CRITICAL', async (name, answer) => {
    const { peer } = await greeted();
    const answers = [golden(name), flagged(golden(name), Flag.OPTIONAL)].map(async (bytes) => {
      peer.send(bytes);
      return answer === undefined ? peer.settled() : peer.next(answer);
    });
    const [without, withFlag] = await Promise.all(answers);
    expect(withFlag).toEqual(without);
    expect(peer.frames).toEqual([]);
    peer.send(flagged(golden(name), Flag.CRITICAL));
    expect(await goodbye(peer)).toBe(GoawayCode.PROTOCOL_ERROR);
  });

  it('takes the frames of the handshake likewise', async () => {
    const open = await server();
    open.peer.send(PREFACE, flagged(golden('client/hello'), Flag.OPTIONAL));
    await open.peer.next(FrameType.MANIFEST);
    for (const critical of ['client/hello', 'client/auth']) {
      const { peer } = await server(KEYS);
      peer.send(PREFACE, ...(critical === 'client/auth' ? [golden('client/hello-with-keys')] : []));
      peer.send(flagged(golden(critical), Flag.CRITICAL));
      expect(await goodbye(peer)).toBe(GoawayCode.PROTOCOL_ERROR);
    }
  });

  it('ends the handler of a call that is cancelled for an unknown reason', async () => {
    const { peer, acceptor } = await greeted();
    peer.send(requestByIndex(1, 2));
    await eventually(() => acceptor.inFlight === 1);
    peer.send(golden('extended/client/cancel-unknown-code'), requestByIndex(2, 2));
    expect((await peer.next(FrameType.REPLY)).callId).toBe(2);
  });

  it.each<[string, Buffer, boolean]>([
    ['skips an extension frame', SKIPPED, true],
    ['ends the connection at a critical one', CRITICAL, false],
    ['ends the connection at an unknown type below 0x80', UNKNOWN, false],
  ])('%s in every state but the handshake, where it may not come', async (_, bytes, isSkipped) => {
    const early = await server(KEYS);
    early.peer.send(PREFACE, bytes);
    expect(await goodbye(early.peer)).toBe(GoawayCode.PROTOCOL_ERROR);

    const unproven = await server(KEYS);
    unproven.peer.send(PREFACE, golden('client/hello-with-keys'), bytes);
    expect(await goodbye(unproven.peer)).toBe(GoawayCode.PROTOCOL_ERROR);

    const ready = await greeted();
    ready.peer.send(bytes);
    await (isSkipped ? ready.peer.settled() : goodbye(ready.peer));

    const { peer, acceptor, release } = await greeted();
    peer.send(requestByIndex(1, 1));
    await eventually(() => release.length === 1);
    void acceptor.close(5_000);
    peer.send(bytes);
    if (!isSkipped) return expect(await goodbye(peer)).toBe(GoawayCode.PROTOCOL_ERROR);
    await peer.settled();
    release[0]!();
    expect((await peer.next(FrameType.REPLY)).callId).toBe(1);
    expect(await goodbye(peer)).toBe(GoawayCode.DRAINING);
  });
});

/** A client connected to somebody who sends it golden bytes. */
async function client(hello = 'server/hello', manifest = 'server/manifest'): Promise<{ line: Line; peer: RawPeer }> {
  const { port, peers } = await rawServer((peer) => peer.send(PREFACE, golden(hello), golden(manifest)));
  return { line: await dial(port, SETUP), peer: peers[0]! };
}

/** What a client tells who dialled a server that says this. */
async function refusal(setup: typeof SETUP, ...parts: Buffer[]): Promise<RookeryError> {
  const { port } = await rawServer((peer) => peer.send(PREFACE, ...parts));
  return errorOf(new Line(dialer(setup)).open(port));
}

const VIOLATION = {
  outcome: 'never-sent',
  cause: expect.objectContaining({ reason: 'FRAME_MALFORMED' }) as unknown,
};

/** The one call of these clients, as it was answered. */
async function answered(...parts: Buffer[]): Promise<unknown> {
  const { line, peer } = await client();
  const answer = line.all('orders.wait').catch((error: RookeryError) => error);
  await peer.next(FrameType.REQUEST);
  peer.send(...parts);
  return answer;
}

describe('a client of version 1', () => {
  it('takes a later server for one of version 1', async () => {
    const { line, peer } = await client('extended/server/hello', 'extended/server/manifest');
    const answer = line.ask('orders.place', ORDER);
    expect((await peer.next(FrameType.REQUEST)).code).toBe(0);
    peer.send(golden('server/reply'));
    expect(await answer).toEqual(ORDER);
  });

  it('takes from the MANIFEST of a later server what it knows, and of what it does not the defaults', async () => {
    const { line } = await client('server/hello', 'extended/server/manifest');
    const call = (pattern: string, kind: 'message' | 'event') => ({ pattern, kind }) as never;
    expect(line.connection.announced(call('orders.place', 'message'))).toEqual({
      index: 0,
      entry: { pattern: 'orders.place', kind: 'message', idempotent: true, timeoutMs: 800 },
    });
    expect(line.connection.announced(call('orders.watch', 'message'))?.entry).toMatchObject({ idempotent: false });
    expect(line.connection.announced(call('orders.watch', 'message'))?.entry.timeoutMs).toBeUndefined();
    expect(line.connection.announced(call('order.placed', 'event'))?.index).toBe(2);
  });

  it.each(['server/reply', 'server/reply-undefined', 'server/reply-raw', 'server/event-acknowledged'])(
    'takes %s with the flag OPTIONAL as it does without',
    async (name) => {
      expect(await answered(flagged(golden(name), Flag.OPTIONAL))).toEqual(await answered(golden(name)));
    },
  );

  it('takes streams and errors likewise', async () => {
    const stream = ['server/stream-value', 'server/stream-end'].map((name) => flagged(golden(name), Flag.OPTIONAL));
    expect(await answered(...stream)).toEqual(['new']);
    for (const name of ['server/error-of-handler', 'server/error-refused', 'extended/server/error']) {
      const [plain, optional] = [await answered(golden(name)), await answered(flagged(golden(name), Flag.OPTIONAL))];
      expect(optional).toMatchObject({ ...(plain as object) });
    }
  });

  it.each(
    [...goldenNames('server'), ...goldenNames('extended/server')].filter((name) => !/hello|auth|manifest/.test(name)),
  )('closes at %s with the flag CRITICAL, whose call is then of unknown fate', async (name) => {
    expect(await answered(flagged(golden(name), Flag.CRITICAL))).toMatchObject({ outcome: 'unknown' });
  });

  it.each(['server/hello', 'server/manifest'])('takes %s with OPTIONAL, and not with CRITICAL', async (name) => {
    const handshake = (flag: number) =>
      ['server/hello', 'server/manifest'].map((each) => (each === name ? flagged(golden(each), flag) : golden(each)));
    const { port } = await rawServer((peer) => peer.send(PREFACE, ...handshake(Flag.OPTIONAL)));
    expect((await dial(port, SETUP)).connection.hasRoom).toBe(true);
    expect(await refusal(SETUP, ...handshake(Flag.CRITICAL))).toMatchObject(VIOLATION);
  });

  it('does not take the proof of a server with CRITICAL', async () => {
    const auth = flagged(golden('server/auth'), Flag.CRITICAL);
    expect(await refusal(KEYS, golden('server/hello-with-key'), auth)).toMatchObject(VIOLATION);
  });

  it('takes an unknown code of an error for UNKNOWN and ignores an unknown reason; whether the call ran, the flag says', async () => {
    const later = { code: 'UNKNOWN', message: 'come back later', reason: 'HANDLER_THREW', data: { sku: 'A-1' } };
    expect(await answered(golden('extended/server/error'))).toMatchObject({ ...later, outcome: 'handled' });
    expect(await answered(golden('extended/server/error-refused'))).toMatchObject({ ...later, outcome: 'refused' });
  });

  it.each(['extended/server/goaway-unknown-code', 'extended/server/goaway-flood'])(
    'starts no further call after %s, and lets those under way end',
    async (name) => {
      const { line, peer } = await client();
      const answer = line.ask('orders.place', ORDER);
      await peer.next(FrameType.REQUEST);
      peer.send(golden(name));
      await eventually(() => line.isDraining);
      expect(line.connection.hasRoom).toBe(false);
      peer.send(golden('server/reply'));
      expect(await answer).toEqual(ORDER);
      await line.closed;
    },
  );

  it('tells who dialled a server that answers with an unknown GOAWAY that nothing was sent', async () => {
    for (const name of ['extended/server/goaway-unknown-code', 'extended/server/goaway-flood'])
      expect(await refusal(SETUP, golden(name))).toMatchObject({ outcome: 'never-sent' });
  });

  it.each<[string, Buffer, boolean]>([
    ['skips an extension frame', SKIPPED, true],
    ['closes at a critical one', CRITICAL, false],
    ['closes at an unknown type below 0x80', UNKNOWN, false],
  ])('%s in every state but the handshake, where it may not come', async (_, bytes, isSkipped) => {
    for (const before of [[], [golden('server/hello')]])
      expect(await refusal(SETUP, ...before, bytes)).toMatchObject(VIOLATION);
    for (const before of [[], [golden('server/goaway-draining')]]) {
      const answer = await answered(...before, bytes, golden('server/reply'));
      if (isSkipped) expect(answer).toEqual([ORDER]);
      else expect(answer).toMatchObject({ outcome: 'unknown' });
    }
  });
});

/** The golden request, for another handler and call. */
function requestByIndex(index: number, callId: number): Buffer {
  const bytes = Buffer.from(golden('client/request-by-index'));
  bytes.writeUInt16BE(index, 6);
  bytes.writeUInt32BE(callId, 8);
  return bytes;
}
