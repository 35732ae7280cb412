import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const PASSWORD_BYTES = 24;
const SALT_BYTES = 16;
/** As Postgres does by default. */
const ITERATIONS = 4096;
const DIGEST = 'sha256';

/** A new password of 192 random bits, in letters that need no quotes in an address. */
export function mintPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}

/**
 * What Postgres stores of a password for SCRAM-SHA-256 (RFC 5803). It takes it in place of the password, so neither the
 * statement nor the log of the server ever has the password.
 */
export function scramVerifier(password: string, salt = randomBytes(SALT_BYTES)): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, DIGEST);
  const keyOf = (text: string): Buffer => createHmac(DIGEST, salted).update(text).digest();
  const storedKey = createHash(DIGEST).update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
