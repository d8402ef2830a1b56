import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { invalidOption } from '../core/options.js';

/** Shared secrets, newest first. Several may be live, so that one can be rotated: add the new one everywhere, then drop the old one. */
export interface AuthOptions {
  /**
   * Each at least 16 characters, from a random source, at most 8. The secret itself never travels. A function is asked at every handshake, so that what it
   * reads may change while the process runs; where it throws, or what it gives is not valid, the secrets it gave last stay, with a warning.
   */
  secrets: readonly string[] | (() => readonly string[]);
}

const MIN_SECRET_CHARS = 16;
const MAX_SECRETS = 8;

/** One secret both ends may know, by the id under which hellos name it. */
export class SharedSecret {
  readonly id: string;

  constructor(private readonly text: string) {
    this.id = secretId(text);
  }

  /** HMAC-SHA-256 over the role and the exact bytes of both hellos: binds nonces, names, versions, codecs and limits. */
  prove(role: 'client' | 'server', clientHello: Buffer, serverHello: Buffer): Buffer {
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32BE(clientHello.length, 0);
    sizes.writeUInt32BE(serverHello.length, 4);
    return createHmac('sha256', this.text)
      .update(`rookery/1 ${role}\n`)
      .update(sizes)
      .update(clientHello)
      .update(serverHello)
      .digest();
  }

  /** In constant time. */
  verify(role: 'client' | 'server', clientHello: Buffer, serverHello: Buffer, proof: Buffer): boolean {
    const expected = this.prove(role, clientHello, serverHello);
    return proof.length === expected.length && timingSafeEqual(proof, expected);
  }
}

/** The secrets one end knows. */
export class KeyRing {
  /** Whether authentication is in use; where it is once, it stays. */
  readonly isEmpty: boolean;
  private readonly source: () => unknown;
  private given: readonly string[] = [];
  private secrets: readonly SharedSecret[] = [];
  private hasWarned = false;

  /** @throws ConfigurationError `OPTION_INVALID` */
  constructor(
    options: AuthOptions | undefined,
    private readonly maxSecrets: number = MAX_SECRETS,
  ) {
    const secrets: unknown = options?.secrets ?? [];
    this.source = typeof secrets === 'function' ? (secrets as () => unknown) : () => secrets;
    this.read();
    this.isEmpty = this.secrets.length === 0;
    if (this.isEmpty && typeof secrets === 'function')
      throw invalidOption('auth.secrets', 'at least one string', 'none');
  }

  /** Newest first, as they are now. */
  get current(): readonly SharedSecret[] {
    try {
      if (!this.isEmpty) this.read();
    } catch (error) {
      this.warnOnce(error as Error);
    }
    return this.secrets;
  }

  private read(): void {
    const given = checkedSecrets(this.source(), this.maxSecrets);
    if (given.length === this.given.length && given.every((text, index) => text === this.given[index])) return;
    if (given.length === 0) throw invalidOption('auth.secrets', 'at least one string', 'none');
    this.secrets = given.map((text) => new SharedSecret(text));
    this.given = given;
    this.hasWarned = false;
  }

  private warnOnce({ message }: Error): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    process.emitWarning(`the secrets stay as they were: ${message}`, { code: 'ROOKERY_SECRETS' });
  }
}

/** @throws ConfigurationError `OPTION_INVALID`, without the value */
function checkedSecrets(secrets: unknown, maxSecrets: number): readonly string[] {
  if (!Array.isArray(secrets) || secrets.length > maxSecrets)
    throw invalidOption(
      'auth.secrets',
      `at most ${maxSecrets} strings, or a function that returns them`,
      typeof secrets,
    );
  const list: readonly unknown[] = secrets;
  return list.map((secret, index) => {
    if (typeof secret === 'string' && secret.length >= MIN_SECRET_CHARS) return secret;
    const expected = `a string of at least ${MIN_SECRET_CHARS} characters`;
    throw invalidOption(`auth.secrets[${index}]`, expected, `${typeof secret} (not shown)`);
  });
}

/** 128 random bits. */
export function freshNonce(): string {
  return randomBytes(16).toString('base64url');
}

/** Names a secret without telling it: how hellos, and `Peer.keyId`, speak of it. */
export function secretId(secret: string): string {
  return createHash('sha256').update('rookery key id\n').update(secret).digest('base64url').slice(0, 12);
}
