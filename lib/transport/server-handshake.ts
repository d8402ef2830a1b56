import { RookeryError } from '../core/errors.js';
import { freshNonce, type KeyRing } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { FrameType, PROTOCOL_VERSION } from '../wire/frame.js';
import {
  decodeClientHello,
  encodeHello,
  negotiate,
  type ClientHello,
  type Identity,
  type PeerLimits,
} from '../wire/hello.js';
import { malformed } from '../wire/metadata-block.js';

export interface ServerHandshakeOptions {
  self: Identity;
  keys: KeyRing;
  codecs: readonly Codec[];
  limits: PeerLimits;
}

/** The accepting end of the handshake. Bytes in, bytes out; owns no socket. */
export class ServerHandshake {
  client: ClientHello | undefined;
  codec: Codec | undefined;

  private clientHelloBytes: Buffer | undefined;
  private helloBytes: Buffer | undefined;
  /** Id of the secret both ends prove to know; without authentication `undefined`. */
  key: string | undefined;
  private isProven = false;

  constructor(private readonly options: ServerHandshakeOptions) {}

  get isComplete(): boolean {
    return this.codec !== undefined && (this.key === undefined || this.isProven);
  }

  /** Answers a HELLO, with our proof where secrets are in use. @throws RookeryError `VERSION_UNSUPPORTED`, `AUTHENTICATION_FAILED`, `FRAME_MALFORMED` */
  onClientHello(bytes: Buffer, writer: FrameWriter): void {
    if (this.client) throw malformed('a second HELLO');
    const { self, codecs, keys, limits } = this.options;
    const client = decodeClientHello(bytes);
    const codec = negotiate(
      client,
      codecs.map(({ name }) => name),
    );
    this.key = this.commonKey(client);
    this.client = client;
    this.clientHelloBytes = Buffer.from(bytes);
    this.helloBytes = encodeHello({
      ...self,
      version: PROTOCOL_VERSION,
      codec,
      nonce: freshNonce(),
      limits,
      key: this.key,
    });
    this.codec = codecs.find(({ name }) => name === codec)!;
    write(FrameType.HELLO, this.helloBytes, writer);
    if (this.key !== undefined)
      write(FrameType.AUTH, keys.prove(this.key, 'server', this.clientHelloBytes, this.helloBytes), writer);
  }

  /** @throws RookeryError `AUTHENTICATION_FAILED`, `FRAME_MALFORMED` */
  onClientProof(proof: Buffer): void {
    if (this.key === undefined || this.isProven) throw malformed('an AUTH nobody asked for');
    const { keys } = this.options;
    if (!keys.verify(this.key, 'client', this.clientHelloBytes!, this.helloBytes!, proof)) {
      throw new RookeryError('AUTHENTICATION_FAILED', 'the client could not prove that it knows the secret');
    }
    this.isProven = true;
  }

  private commonKey(client: ClientHello): string | undefined {
    const { keys } = this.options;
    if (keys.isEmpty) return undefined;
    const key = keys.ids.find((id) => client.keys.includes(id));
    if (key === undefined)
      throw new RookeryError('AUTHENTICATION_FAILED', 'the two ends share no secret; give both the same auth.secrets');
    return key;
  }
}

function write(type: FrameType, payload: Buffer, writer: FrameWriter): void {
  const start = writer.begin(type, 0, 0, 0);
  writer.raw(payload);
  writer.end(start);
}
