import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const PREFIX = 'meterline_';
const RANDOM_BYTES = 24;
const CHECKSUM_LENGTH = 6;

/** A new token of 192 random bits, with the prefix and the checksum that every token has. Nothing stores it. */
export function mintToken(): string {
  const body = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
  return body + checksum(body);
}

/** Whether a text is a whole token by its own checksum, so that a mistyped one is refused without a look-up. */
export function isWholeToken(text: string): boolean {
  const body = text.slice(0, -CHECKSUM_LENGTH);
  if (!body.startsWith(PREFIX)) return false;
  const [given, wanted] = [Buffer.from(text.slice(-CHECKSUM_LENGTH)), Buffer.from(checksum(body))];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** The SHA-256 of a token, by which it is stored and found. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, CHECKSUM_LENGTH);
}
