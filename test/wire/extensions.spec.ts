import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { ClientHandshake } from '../../lib/transport/client-handshake.js';
import { ServerHandshake } from '../../lib/transport/server-handshake.js';
import { KeyRing } from '../../lib/wire/auth.js';
import { FrameDecoder } from '../../lib/wire/frame-decoder.js';
import { FrameWriter } from '../../lib/wire/frame-writer.js';
import { PREFACE } from '../../lib/wire/frame.js';
import { standardCodecs } from '../../lib/wire/standard-codecs.js';
import { goldenNames } from './support/golden-file.js';
import { clientHello, collectInto, PEER_LIMITS, type Frame } from './support/raw-peer.js';

const COMMON = { keys: new KeyRing(undefined), codecs: standardCodecs(), limits: PEER_LIMITS };

const server = (extensions?: string[]) =>
  new ServerHandshake({ ...COMMON, self: { service: 'orders', instance: 'orders-1' }, extensions });

const client = (extensions?: string[]) =>
  new ClientHandshake({
    ...COMMON,
    self: { service: '', instance: 'client-1' },
    expected: { service: 'orders' },
    extensions,
  });

/** The payload of the one frame that was written. */
function payloadOf(write: (writer: FrameWriter) => void): Buffer {
  const writer = new FrameWriter(4_096);
  write(writer);
  const frames: Frame[] = [];
  new FrameDecoder(collectInto(frames), 4_096).push(Buffer.concat([PREFACE, writer.view()]));
  return frames[0]!.payload;
}

describe('optional extensions', () => {
  it.each<[string, string[] | undefined, string[] | undefined, string[]]>([
    ['both ends name, in force at both', ['gzip', 'load'], ['load', 'trailers', 'gzip'], ['gzip', 'load']],
    ['only one end names, in force at neither', ['gzip'], ['load'], []],
    ['the client alone knows of, in force at neither', ['gzip'], undefined, []],
    ['the server alone knows of, in force at neither', undefined, ['gzip'], []],
  ])('are, where %s', (_, ofClient, ofServer, expected) => {
    const [dialling, accepting] = [client(ofClient), server(ofServer)];
    const hello = payloadOf((writer) => dialling.writeHello(writer));
    dialling.onServerHello(payloadOf((writer) => accepting.onClientHello(hello, writer)));
    expect(dialling.agreement.extensions.toSorted()).toEqual(expected);
    expect(accepting.extensions.toSorted()).toEqual(expected);
  });

  it('that a client requires are refused by a server that does not know them all', () => {
    const hello = clientHello({ extensions: ['gzip', 'load'], required: ['load'] });
    const answer = payloadOf((writer) => server(['load']).onClientHello(hello, writer));
    expect(JSON.parse(answer.toString())).toMatchObject({ extensions: ['load'] });
    expect(() => server(['gzip']).onClientHello(hello, new FrameWriter(4_096))).toThrow('load');
  });
});

it('every golden file of what later peers may send is sent to a real end by some test', () => {
  const source = readFileSync(new URL('./golden-extended.spec.ts', import.meta.url), 'utf8');
  const names = (['extended', 'extended/client', 'extended/server'] as const).flatMap(goldenNames);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !source.includes(`'${name}'`))).toEqual([]);
});
