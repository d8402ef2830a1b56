import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { invalidOption } from '../core/options.js';

/** Shared secrets, newest first. Two may be live, so that one can be rotated: add the new one everywhere, then drop the old one. */
export interface AuthOptions {
  /** Each at least 16 characters, from a random source. The secret itself never travels. */
  secrets: readonly string[];
}

const MIN_SECRET_CHARS = 16;
const MAX_SECRETS = 8;

/** The secrets one end knows, by the id under which they are named in a hello. */
export class KeyRing {
  /** Newest first. */
  readonly ids: readonly string[];
  private readonly secrets = new Map<string, string>();

  /** @throws ConfigurationError `OPTION_INVALID` */
  constructor(options: AuthOptions | undefined) {
    const secrets = options?.secrets ?? [];
    if (!Array.isArray(secrets) || secrets.length > MAX_SECRETS)
      throw invalidOption('auth.secrets', `at most ${MAX_SECRETS} strings`, typeof secrets);
    for (const [index, secret] of secrets.entries()) {
      if (typeof secret !== 'string' || secret.length < MIN_SECRET_CHARS) {
        throw invalidOption(
          `auth.secrets[${index}]`,
          `a string of at least ${MIN_SECRET_CHARS} characters`,
          `${typeof secret} (not shown)`,
        );
      }
      this.secrets.set(secretId(secret), secret);
    }
    this.ids = [...this.secrets.keys()];
  }

  get isEmpty(): boolean {
    return this.secrets.size === 0;
  }

  has(id: string): boolean {
    return this.secrets.has(id);
  }

  /** HMAC-SHA-256 over the role and the exact bytes of both hellos: binds nonces, names, versions, codecs and limits. */
  prove(id: string, role: 'client' | 'server', clientHello: Buffer, serverHello: Buffer): Buffer {
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32BE(clientHello.length, 0);
    sizes.writeUInt32BE(serverHello.length, 4);
    return createHmac('sha256', this.secrets.get(id) ?? randomBytes(32))
      .update(`rookery/1 ${role}\n`)
      .update(sizes)
      .update(clientHello)
      .update(serverHello)
      .digest();
  }

  verify(id: string, role: 'client' | 'server', clientHello: Buffer, serverHello: Buffer, proof: Buffer): boolean {
    const expected = this.prove(id, role, clientHello, serverHello);
    return this.has(id) && proof.length === expected.length && timingSafeEqual(proof, expected);
  }
}

/** 128 random bits. */
export function freshNonce(): string {
  return randomBytes(16).toString('base64url');
}

/** Names a secret without telling it: how hellos, and `Peer.keyId`, speak of it. */
export function secretId(secret: string): string {
  return createHash('sha256').update('rookery key id\n').update(secret).digest('base64url').slice(0, 12);
}
