import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { and, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import type { Db } from './database.ts';
import { tokens } from './schema.ts';

/** What a token of the HTTP API may do: everything, or only read. */
export type TokenRole = 'admin' | 'viewer';

/** A token as it may be shown: never the token itself. */
export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

const PREFIX = 'meterline_';
const RANDOM_BYTES = 24;
const CHECKSUM_LENGTH = 6;

/** The hash by which a token is stored and looked up. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, CHECKSUM_LENGTH);
}

/** Whether a text is a whole token by its own checksum, so that a cut or mistyped one is refused without a look-up. */
export function isWholeToken(text: string): boolean {
  const body = text.slice(0, -CHECKSUM_LENGTH);
  if (!body.startsWith(PREFIX)) return false;
  const [given, wanted] = [Buffer.from(text.slice(-CHECKSUM_LENGTH)), Buffer.from(checksum(body))];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Makes a token of 192 random bits and stores its hash. This is the only time that it can be seen. */
export async function createToken(
  db: Db,
  token: { name: string; role: TokenRole; expiresAt?: Date },
): Promise<{ id: string; token: string }> {
  const body = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
  const secret = body + checksum(body);
  const [made] = await db
    .insert(tokens)
    .values({ name: token.name, role: token.role, hash: hashToken(secret), expiresAt: token.expiresAt ?? null })
    .returning({ id: tokens.id });
  if (made === undefined) throw new Error('storing a token gave no row');
  return { id: made.id, token: secret };
}

/** The token with this hash, unless it is revoked or expired; null when there is none. */
export async function findToken(
  db: Db,
  hash: Buffer,
): Promise<{ id: string; name: string; role: TokenRole; lastUsedAt: Date | null } | null> {
  const [found] = await db
    .select({ id: tokens.id, name: tokens.name, role: tokens.role, lastUsedAt: tokens.lastUsedAt })
    .from(tokens)
    .where(
      and(
        eq(tokens.hash, hash),
        isNull(tokens.revokedAt),
        or(isNull(tokens.expiresAt), gt(tokens.expiresAt, sql`now()`)),
      ),
    );
  return found ?? null;
}

/** Notes that a token was used, unless that was noted within the last minute. */
export async function touchToken(db: Db, id: string): Promise<void> {
  await db
    .update(tokens)
    .set({ lastUsedAt: sql`now()` })
    .where(
      and(eq(tokens.id, id), or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, sql`now() - interval '1 minute'`))),
    );
}

/** Revokes a token for good. False when there is none with this id that is not revoked. */
export async function revokeToken(db: Db, id: string): Promise<boolean> {
  const revoked = await db
    .update(tokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(tokens.id, id), isNull(tokens.revokedAt)))
    .returning({ id: tokens.id });
  return revoked.length > 0;
}

/** All tokens, newest first, revoked and expired ones too. */
export async function listTokens(db: Db): Promise<TokenInfo[]> {
  return db
    .select({
      id: tokens.id,
      name: tokens.name,
      role: tokens.role,
      createdAt: tokens.createdAt,
      expiresAt: tokens.expiresAt,
      revokedAt: tokens.revokedAt,
      lastUsedAt: tokens.lastUsedAt,
    })
    .from(tokens)
    .orderBy(desc(tokens.createdAt), desc(tokens.id));
}
