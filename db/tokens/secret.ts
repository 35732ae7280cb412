import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** The tokens of this API, the one of a link, and the secret in the cookie of a session. None is the beginning of another. */
const PREFIXES = { api: 'meterline_', link: 'meterline-link_', session: 'meterline-session_' } as const;
export type TokenKind = keyof typeof PREFIXES;

const RANDOM_BYTES = 24;
const CHECKSUM_LENGTH = 6;

/** A new token of 192 random bits, with the prefix and the checksum that every token of its kind has. Nothing stores it. */
export function mintToken(kind: TokenKind = 'api'): string {
  const body = PREFIXES[kind] + randomBytes(RANDOM_BYTES).toString('base64url');
  return body + checksum(body);
}

/** Whether a text is a whole token by its own checksum, so that a mistyped one is refused without a look-up. */
export function isWholeToken(text: string, kind: TokenKind = 'api'): boolean {
  const body = text.slice(0, -CHECKSUM_LENGTH);
  if (!hasPrefix(body, kind)) return false;
  const [given, wanted] = [Buffer.from(text.slice(-CHECKSUM_LENGTH)), Buffer.from(checksum(body))];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Whether a text begins like a token of this kind, and may be one that was mistyped or cut. */
export function hasPrefix(text: string, kind: TokenKind): boolean {
  return text.startsWith(PREFIXES[kind]);
}

/** The SHA-256 of a token, by which it is stored and found. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, CHECKSUM_LENGTH);
}
