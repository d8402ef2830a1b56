import { describe, expect, it } from 'vitest';

import { KeyRing, SharedSecret } from '../../../lib/wire/auth.js';
import { FrameType, GoawayCode, PREFACE } from '../../../lib/wire/frame.js';
import { clientHello, frame, rawClient, rawServer, request, serverHello } from '../../wire/support/raw-peer.js';
import { dial, errorOf, eventually, serve } from './support.js';

const OLD = 'the secret of yesterday';
const NEW = 'the secret of tomorrow';
const OTHER = 'somebody else’s secret';

const ring = (...secrets: string[]) => new KeyRing({ secrets });
const secret = new SharedSecret(OLD);
const other = new SharedSecret(OTHER);
const ECHO = { echo: (data: unknown) => data };

describe('two ends with a secret', () => {
  it.each<[string, string[], string[]]>([
    ['share the only one', [OLD], [OLD]],
    ['are on the way to a new one, the server first', [NEW, OLD], [OLD]],
    ['are on the way to a new one, the client first', [OLD], [NEW, OLD]],
    ['are both between two', [NEW, OLD], [OLD, NEW]],
    ['have done with the old one, the client first', [NEW, OLD], [NEW]],
  ])('talk where they %s', async (_, server, client) => {
    const { port } = await serve(ECHO, { keys: ring(...server) });
    expect(await (await dial(port, { keys: ring(...client) })).ask('echo', 'hi')).toBe('hi');
  });

  it.each<[string, KeyRing, KeyRing]>([
    ['share none', ring(OLD), ring(OTHER)],
    ['the client has none', ring(OLD), new KeyRing(undefined)],
    ['the server has none, whoever it is', new KeyRing(undefined), ring(OLD)],
  ])('do not talk where %s', async (_, server, client) => {
    const { acceptor, port } = await serve(ECHO, { keys: server });
    expect(await errorOf(dial(port, { keys: client }))).toMatchObject({
      reason: 'AUTHENTICATION_FAILED',
      outcome: 'never-sent',
      code: 'UNAUTHENTICATED',
    });
    await eventually(() => acceptor.connections.size === 0);
  });
});

describe('a server with a secret', () => {
  const keys = ring(OLD);
  const hello = clientHello({ keys: [secret.id] });

  async function challenged() {
    const { port } = await serve(ECHO, { keys });
    const peer = await rawClient(port);
    peer.send(PREFACE, frame(FrameType.HELLO, { payload: hello }));
    const answer = await peer.next(FrameType.HELLO);
    const proof = await peer.next(FrameType.AUTH);
    return { peer, answer: answer.payload, proof: proof.payload };
  }

  it('proves first that it knows it, over the exact bytes of both hellos', async () => {
    const { answer, proof } = await challenged();
    expect(JSON.parse(answer.toString())).toMatchObject({ key: secret.id });
    expect(secret.verify('server', hello, answer, proof)).toBe(true);
  });

  it('says what it serves only after the client’s proof', async () => {
    const { peer, answer } = await challenged();
    expect(peer.frames).toEqual([]);
    peer.send(frame(FrameType.AUTH, { payload: secret.prove('client', hello, answer) }));
    await peer.next(FrameType.MANIFEST);
    peer.send(request(1, 'echo', 'in'));
    expect((await peer.next(FrameType.REPLY)).payload.toString()).toBe('"in"');
  });

  it.each<[string, (answer: Buffer, proof: Buffer) => Buffer]>([
    ['its own proof sent back', (_answer, proof) => proof],
    ['a proof by another secret', (answer) => other.prove('client', hello, answer)],
    [
      'a proof over a hello with one byte changed',
      (answer) => {
        const tampered = Buffer.from(hello);
        tampered[tampered.length - 3]! ^= 1;
        return secret.prove('client', tampered, answer);
      },
    ],
    ['a proof over another server’s hello', () => secret.prove('client', hello, serverHello())],
    ['half a proof', (answer) => secret.prove('client', hello, answer).subarray(0, 16)],
    ['no proof', () => Buffer.alloc(0)],
  ])('sends away who answers with %s', async (_, prove) => {
    const { peer, answer, proof } = await challenged();
    peer.send(frame(FrameType.AUTH, { payload: prove(answer, proof) }));
    expect((await peer.next(FrameType.GOAWAY)).code).toBe(GoawayCode.AUTHENTICATION_FAILED);
    await peer.closed;
  });

  it('takes no call before the proof', async () => {
    const { peer } = await challenged();
    peer.send(request(1, 'echo', 'in'));
    expect((await peer.next(FrameType.GOAWAY)).code).toBe(GoawayCode.PROTOCOL_ERROR);
    await peer.closed;
  });

  it('takes no second hello before the proof, which could change what is proven', async () => {
    const { peer } = await challenged();
    peer.send(frame(FrameType.HELLO, { payload: hello }));
    expect((await peer.next(FrameType.GOAWAY)).code).toBe(GoawayCode.PROTOCOL_ERROR);
  });

  it('keeps to the small frames of the hello until the proof', async () => {
    const { peer } = await challenged();
    peer.send(frame(FrameType.AUTH, { payload: Buffer.alloc(5_000) }));
    expect((await peer.next(FrameType.GOAWAY)).code).toBe(GoawayCode.LIMIT_EXCEEDED);
  });
});

describe('a client with a secret', () => {
  const keys = ring(OLD);

  it.each<[string, (clientHello: Buffer, answer: Buffer) => Buffer]>([
    ['proves by another secret', (hello, answer) => other.prove('server', hello, answer)],
    ['proves something else', (hello) => secret.prove('server', hello, Buffer.from('{}'))],
    ['proves as if it were the client', (hello, answer) => secret.prove('client', hello, answer)],
  ])('does not prove anything to a server that %s', async (_, prove) => {
    const { port, peers } = await rawServer(async (peer) => {
      const { payload } = await peer.next(FrameType.HELLO);
      const answer = serverHello({ key: secret.id });
      peer.send(
        PREFACE,
        frame(FrameType.HELLO, { payload: answer }),
        frame(FrameType.AUTH, { payload: prove(payload, answer) }),
      );
    });
    expect(await errorOf(dial(port, { keys }))).toMatchObject({ reason: 'AUTHENTICATION_FAILED' });
    await peers[0]!.closed;
    expect(peers[0]!.frames).toEqual([]);
  });

  it('does not talk to a server that wants no proof', async () => {
    const { port } = await rawServer((peer) => peer.welcome());
    expect(await errorOf(dial(port, { keys }))).toMatchObject({ reason: 'AUTHENTICATION_FAILED' });
  });

  it('does not take a MANIFEST instead of a proof', async () => {
    const { port } = await rawServer((peer) => peer.welcome([], { key: secret.id }));
    expect(await errorOf(dial(port, { keys }))).toMatchObject({ reason: 'HANDSHAKE_FAILED', outcome: 'never-sent' });
  });
});
