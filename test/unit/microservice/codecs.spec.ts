import { describe, expect, it } from 'vitest';

import { clientSettings, serverSettings, type CodecChoice } from '../../../lib/microservice/rookery-options.js';
import type { Codec } from '../../../lib/wire/codec.js';
import { msgpackCodec } from '../../../lib/wire/msgpack/msgpack-codec.js';

const names = (codecs: readonly Codec[]) => codecs.map(({ name }) => name);
const offered = (codec?: CodecChoice) => names(clientSettings({ service: 'orders', codec }).codecs);

describe('the codecs that a client offers', () => {
  it('are the best MessagePack first, then what any peer of version 1 has', () => {
    expect(offered()).toEqual(['msgpack+rows', 'msgpack', 'json']);
    expect(offered('msgpack')).toEqual(['msgpack+rows', 'msgpack', 'json']);
  });

  it('are JSON first where it was chosen', () => {
    expect(offered('json')).toEqual(['json', 'msgpack+rows', 'msgpack']);
  });

  it('are its own first where it brings one, in the place of one of that name', () => {
    const own: Codec = { ...msgpackCodec(), name: 'cbor' };
    expect(offered(own)).toEqual(['cbor', 'msgpack+rows', 'msgpack', 'json']);
    expect(offered(msgpackCodec({ rows: false }))).toEqual(['msgpack', 'msgpack+rows', 'json']);
  });

  it('are all there at a server, whatever it prefers', () => {
    expect(names(serverSettings({ service: 'orders', codec: 'json' }).codecs).toSorted()).toEqual(
      ['json', 'msgpack', 'msgpack+rows'].toSorted(),
    );
  });
});
