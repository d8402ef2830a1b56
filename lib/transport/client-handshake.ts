import { RookeryError } from '../core/errors.js';
import { freshNonce, type KeyRing, type SharedSecret } from '../wire/auth.js';
import type { Codec } from '../wire/codec.js';
import type { FrameWriter } from '../wire/frame-writer.js';
import { FrameType, PROTOCOL_VERSION } from '../wire/frame.js';
import {
  decodeServerHello,
  encodeHello,
  inForce,
  type Identity,
  type PeerLimits,
  type ServerHello,
} from '../wire/hello.js';
import { malformed } from '../wire/metadata-block.js';

export interface ClientHandshakeOptions {
  /** Who dials. */
  self: Identity;
  /** Whom it means to reach; without `instance` any instance of the service will do. */
  expected: { service: string; instance?: string | undefined };
  keys: KeyRing;
  /** In order of preference. */
  codecs: readonly Codec[];
  limits: PeerLimits;
  /** Optional extensions of the protocol that this end knows; version 1 defines none. */
  extensions?: readonly string[] | undefined;
}

/** The dialling end of the handshake: HELLO → HELLO [→ AUTH ⇄ AUTH] → MANIFEST. Bytes in, bytes out; owns no socket. */
export class ClientHandshake {
  readonly nonce = freshNonce();
  private readonly helloBytes: Buffer;
  private serverHelloBytes: Buffer | undefined;
  private server: ServerHello | undefined;
  private isProven = false;
  /** As they were when the hello named them. */
  private readonly secrets: readonly SharedSecret[];

  constructor(private readonly options: ClientHandshakeOptions) {
    const { self, codecs, keys, limits, extensions } = options;
    this.secrets = keys.current;
    this.helloBytes = encodeHello({
      ...self,
      versions: [PROTOCOL_VERSION],
      codecs: codecs.map((codec) => codec.name),
      nonce: this.nonce,
      limits,
      keys: this.secrets.map(({ id }) => id),
      required: [],
      extensions,
    });
  }

  writeHello(writer: FrameWriter): void {
    const start = writer.begin(FrameType.HELLO, 0, 0, 0);
    writer.raw(this.helloBytes);
    writer.end(start);
  }

  /** @throws RookeryError `WRONG_INSTANCE`, `VERSION_UNSUPPORTED`, `AUTHENTICATION_FAILED`, `FRAME_MALFORMED` */
  onServerHello(bytes: Buffer): void {
    if (this.server) throw malformed('a second HELLO');
    const server = decodeServerHello(bytes);
    if (server.version !== PROTOCOL_VERSION)
      throw new RookeryError('VERSION_UNSUPPORTED', `the server chose protocol version ${server.version}`);
    this.checkIdentity(server);
    this.checkKey(server);
    this.server = server;
    this.serverHelloBytes = Buffer.from(bytes);
  }

  /** Whether the server has yet to prove that it knows the secret. */
  get awaitsProof(): boolean {
    return this.server?.key !== undefined && !this.isProven;
  }

  /** Checks the server's proof and answers with ours. @throws RookeryError `AUTHENTICATION_FAILED` */
  onServerProof(proof: Buffer, writer: FrameWriter): void {
    const secret = this.secretOf(this.server);
    if (secret === undefined || this.isProven) throw malformed('an AUTH nobody asked for');
    if (!secret.verify('server', this.helloBytes, this.serverHelloBytes!, proof)) {
      throw new RookeryError('AUTHENTICATION_FAILED', 'the server could not prove that it knows the secret');
    }
    this.isProven = true;
    const start = writer.begin(FrameType.AUTH, 0, 0, 0);
    writer.raw(secret.prove('client', this.helloBytes, this.serverHelloBytes!));
    writer.end(start);
  }

  /** What was agreed, once the MANIFEST may come. @throws RookeryError `FRAME_MALFORMED`, `VERSION_UNSUPPORTED` */
  get agreement(): { server: ServerHello; codec: Codec; extensions: readonly string[] } {
    const { server } = this;
    if (!server || this.awaitsProof) throw malformed('a frame before the end of the handshake');
    const codec = this.options.codecs.find((candidate) => candidate.name === server.codec);
    if (!codec)
      throw new RookeryError(
        'VERSION_UNSUPPORTED',
        `the server chose the codec ${server.codec}, which was not offered`,
      );
    return { server, codec, extensions: inForce(this.options.extensions, server.extensions) };
  }

  private checkIdentity(server: ServerHello): void {
    const { service, instance } = this.options.expected;
    if (server.service !== service) {
      throw new RookeryError(
        'WRONG_INSTANCE',
        `expected the service "${service}", but "${server.service}" answers there; its record is stale or wrong`,
      );
    }
    if (instance !== undefined && server.instance !== instance) {
      throw new RookeryError(
        'WRONG_INSTANCE',
        `expected the instance "${instance}" of "${service}", but "${server.instance}" answers there; the address was reused`,
      );
    }
  }

  private checkKey(server: ServerHello): void {
    if (this.secrets.length === 0 && server.key === undefined) return;
    if (this.secretOf(server) === undefined) {
      throw new RookeryError('AUTHENTICATION_FAILED', 'the two ends share no secret; give both the same auth.secrets');
    }
  }

  private secretOf(server: ServerHello | undefined): SharedSecret | undefined {
    return this.secrets.find(({ id }) => id === server?.key);
  }
}
