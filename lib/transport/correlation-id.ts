/** Characters of the nonce that name a connection. */
const NAME_CHARS = 12;

/**
 * The id of a call whose caller gave none: the connection's name (from the client's nonce, 72 random bits) and the call's number on it.
 * Caller and handler derive the same one.
 */
export function correlationId(clientNonce: string, callId: number): string {
  return `${clientNonce.slice(0, NAME_CHARS)}-${callId.toString(36)}`;
}
