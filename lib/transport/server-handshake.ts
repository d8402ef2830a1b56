import { RookeryError } from '../core/errors.js';
import { freshNonce, type KeyRing, type SharedSecret } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { FrameType, PROTOCOL_VERSION } from '../wire/frame.js';
import {
  decodeClientHello,
  encodeHello,
  inForce,
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
  /** Optional extensions of the protocol that this end knows; version 1 defines none. */
  extensions?: readonly string[] | undefined;
}

/** The accepting end of the handshake. Bytes in, bytes out; owns no socket. */
export class ServerHandshake {
  client: ClientHello | undefined;
  codec: Codec | undefined;
  /** Those that both ends know. */
  extensions: readonly string[] = [];

  /** Both, as they travelled, for as long as a proof over them is to come. */
  private hellos: { client: Buffer; server: Buffer } | undefined;
  /** Which both ends prove to know; without authentication `undefined`. */
  secret: SharedSecret | undefined;
  private isProven = false;

  /** What the client's certificate names; empty without mutual TLS. */
  certificateNames: readonly string[] = [];

  /** @param verifyPeer whether the client may be what its hello says. @returns the names of its certificate @throws RookeryError */
  constructor(
    private readonly options: ServerHandshakeOptions,
    private readonly verifyPeer: (hello: ClientHello) => readonly string[] = () => [],
  ) {}

  get isComplete(): boolean {
    return this.codec !== undefined && (this.secret === undefined || this.isProven);
  }

  /**
   * Answers a HELLO, with our proof where secrets are in use.
   *
   * @throws RookeryError `VERSION_UNSUPPORTED`, `AUTHENTICATION_FAILED`, `CERTIFICATE_REFUSED`, `CERTIFICATE_EXPIRED`, `FRAME_MALFORMED`
   */
  onClientHello(bytes: Buffer, writer: FrameWriter): void {
    if (this.client) throw malformed('a second HELLO');
    const { self, codecs, limits, extensions } = this.options;
    const client = decodeClientHello(bytes);
    this.certificateNames = this.verifyPeer(client);
    const codec = negotiate(
      client,
      codecs.map(({ name }) => name),
      extensions,
    );
    this.secret = this.commonSecret(client);
    this.client = client;
    const helloBytes = encodeHello({
      ...self,
      version: PROTOCOL_VERSION,
      codec,
      nonce: freshNonce(),
      limits,
      key: this.secret?.id,
      extensions,
    });
    this.extensions = inForce(extensions, client.extensions);
    this.codec = codecs.find(({ name }) => name === codec)!;
    write(FrameType.HELLO, helloBytes, writer);
    if (this.secret === undefined) return;
    this.hellos = { client: Buffer.from(bytes), server: helloBytes };
    write(FrameType.AUTH, this.secret.prove('server', bytes, helloBytes), writer);
  }

  /** @throws RookeryError `AUTHENTICATION_FAILED`, `FRAME_MALFORMED` */
  onClientProof(proof: Buffer): void {
    if (this.secret === undefined || this.isProven) throw malformed('an AUTH nobody asked for');
    if (!this.secret.verify('client', this.hellos!.client, this.hellos!.server, proof)) {
      throw new RookeryError('AUTHENTICATION_FAILED', 'the client could not prove that it knows the secret');
    }
    this.isProven = true;
    this.hellos = undefined;
  }

  private commonSecret(client: ClientHello): SharedSecret | undefined {
    const { keys } = this.options;
    if (keys.isEmpty) return undefined;
    const secret = keys.current.find(({ id }) => client.keys.includes(id));
    if (secret === undefined)
      throw new RookeryError('AUTHENTICATION_FAILED', 'the two ends share no secret; give both the same auth.secrets');
    return secret;
  }
}

function write(type: FrameType, payload: Buffer, writer: FrameWriter): void {
  const start = writer.begin(type, 0, 0, 0);
  writer.raw(payload);
  writer.end(start);
}
