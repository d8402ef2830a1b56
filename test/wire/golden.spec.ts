import { describe, expect, it } from 'vitest';

import { SharedSecret } from '../../lib/wire/auth.js';
import { bodyFlags, readBody, writeBody } from '../../lib/wire/body.js';
import { readCallHead, writeCallHead, type CallHead } from '../../lib/wire/call-head.js';
import { readError, writeError } from '../../lib/wire/error-body.js';
import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { FrameWriter } from '../../lib/wire/frame-writer.js';
import { Flag, FrameType, HEADER_BYTES, PREFACE, WIRE_LIMITS } from '../../lib/wire/frame.js';
import { decodeClientHello, decodeServerHello, encodeHello } from '../../lib/wire/hello.js';
import { decodeManifest, encodeManifest } from '../../lib/wire/manifest.js';
import { msgpackCodec } from '../../lib/wire/msgpack/msgpack-codec.js';
import { golden, goldenNames } from './support/golden-file.js';
import { collectInto, type Frame } from './support/raw-peer.js';

const SECRET = 'correct horse battery staple';

function read(name: string): Frame {
  const frames: Frame[] = [];
  new FrameDecoder(collectInto(frames), WIRE_LIMITS.maxFrameBytes).push(Buffer.concat([PREFACE, golden(name)]));
  expect(frames).toHaveLength(1);
  return frames[0]!;
}

/** The frame as the code under test writes it, from what the code under test has read. */
function written(name: string, { type, flags, code, callId, payload }: Frame): Buffer {
  const writer = new FrameWriter(WIRE_LIMITS.maxFrameBytes);
  // A codec of its own: which shapes its rows name depends on what it has written before.
  const codec = msgpackCodec();
  if (type === FrameType.ERROR) writeError(readError(flags, codec, payload, 0, payload.length), callId, codec, writer);
  else {
    const start = writer.begin(type, flags, code, callId);
    writePayload(name, { type, flags, code, callId, payload }, writer);
    writer.end(start);
  }
  return Buffer.from(writer.view());
}

function writePayload(name: string, { type, flags, payload }: Frame, writer: FrameWriter): void {
  const codec = msgpackCodec();
  switch (type) {
    case FrameType.HELLO: {
      const decode = name.startsWith('client') ? decodeClientHello : decodeServerHello;
      return writer.raw(encodeHello(decode(payload)));
    }
    case FrameType.MANIFEST:
      return writer.raw(encodeManifest(decodeManifest(payload)));
    case FrameType.REQUEST:
    case FrameType.EVENT: {
      const head: CallHead = { remainingMs: 0, pattern: undefined, metadata: undefined, bodyAt: 0 };
      readCallHead(flags, payload, 0, payload.length, WIRE_LIMITS, head);
      writeCallHead(head.remainingMs, head.pattern, head.metadata, writer, WIRE_LIMITS);
      return writeBody(readBody(flags, codec, payload, head.bodyAt, payload.length), codec, writer);
    }
    case FrameType.REPLY: {
      const value = readBody(flags, codec, payload, 0, payload.length);
      expect(bodyFlags(value)).toBe(flags & Flag.RAW);
      return writeBody(value, codec, writer);
    }
    default:
      // The rest is numbers in the header, credit, a proof or a text.
      return writer.raw(payload);
  }
}

describe('the golden frames of version 1', () => {
  const names = [...goldenNames('client'), ...goldenNames('server')];

  it('hold every type of frame that there is', () => {
    const types = new Set(names.map((name) => golden(name)[4]));
    expect(types).toEqual(new Set(Object.values(FrameType)));
  });

  it('begin with the preface', () => {
    expect(golden('preface')).toEqual(PREFACE);
  });

  it.each(names)('%s is read, and written again as it stands', (name) => {
    const frame = read(name);
    expect(written(name, frame).toString('hex')).toBe(golden(name).toString('hex'));
  });

  it('prove a secret over the exact bytes of both hellos', () => {
    const secret = new SharedSecret(SECRET);
    const [client, server] = ['client/hello-with-keys', 'server/hello-with-key'].map((name) =>
      golden(name).subarray(HEADER_BYTES),
    );
    expect(decodeServerHello(server!).key).toBe(secret.id);
    expect(decodeClientHello(client!).keys).toEqual([secret.id]);
    for (const role of ['client', 'server'] as const) {
      const proof = golden(`${role}/auth`).subarray(HEADER_BYTES);
      expect(secret.prove(role, client!, server!).equals(proof)).toBe(true);
      expect(secret.verify(role, server!, client!, proof)).toBe(false);
    }
  });

  it('say what PROTOCOL.md says of them', () => {
    expect(read('client/event')).toMatchObject({ type: FrameType.EVENT, callId: 0 });
    expect(read('client/event-with-ack').flags & Flag.ACK).toBe(Flag.ACK);
    expect(read('client/cancel-unsubscribed')).toMatchObject({ type: FrameType.CANCEL, code: 0 });
    expect(read('client/cancel-deadline')).toMatchObject({ type: FrameType.CANCEL, code: 1 });
    expect(read('client/credit').payload.length).toBe(4);
    expect(read('client/request-by-text').flags & Flag.PATTERN).toBe(Flag.PATTERN);
    expect(read('server/stream-value').flags & Flag.END).toBe(0);
    expect(read('server/stream-end').flags).toBe(Flag.END | Flag.NO_VALUE);
    expect(read('server/error-refused').flags).toBe(Flag.REFUSED);
    expect(read('server/goaway-draining')).toMatchObject({ code: 0, callId: 0xffff_ffff });
  });
});
