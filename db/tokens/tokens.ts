import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { and, desc, eq, gt, inArray, isNull, lt, or, sql, type SQL } from 'drizzle-orm';
import type { TokenRole } from '../../domain/tokens.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { tokens } from '../core/schema.ts';

/** A token as it may be shown: never the token itself. */
export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  readonly createdAt: Date;
  /** The name of the token that made it, or as whom events show who did. */
  readonly createdBy: string;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
  readonly lastUsedAt: Date | null;
}

/** Who makes a token: a token, or with a null id whoever needs none. */
export interface TokenMaker {
  readonly id: string | null;
  readonly name: string;
}

/** Why a token is not made. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  constructor(readonly why: 'name_taken' | 'expired' | 'outlives_maker' | 'maker_invalid') {
    super(WHY[why]);
  }
}

const WHY = {
  name_taken: 'There is a token of this name already, which is not revoked.',
  expired: 'A token must expire in the future.',
  outlives_maker: 'A token must not expire after the one that makes it.',
  maker_invalid: 'The token that makes it must be an admin that is not revoked and has not expired.',
} as const;

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

/** A new token of 192 random bits, with the prefix and the checksum that every token has. It is stored nowhere. */
export function mintToken(): string {
  const body = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
  return body + checksum(body);
}

/**
 * Makes a token of 192 random bits and stores its hash. This is the only time that it can be seen. One that is made by
 * another token expires no later than that one, and without `expiresAt` when that one does. Throws {@link TokenError}.
 */
export async function createToken(
  db: Db,
  token: { name: string; role: TokenRole; expiresAt?: Date | undefined; maker: TokenMaker },
): Promise<TokenInfo & { readonly token: string }> {
  const { name, role, maker } = token;
  const secret = mintToken();
  try {
    return await db.transaction(async (tx) => {
      const latest = maker.id === null ? null : await lockMaker(tx, maker.id);
      const expiresAt = token.expiresAt ?? latest;
      if (latest !== null && expiresAt !== null && expiresAt > latest) throw new TokenError('outlives_maker');
      const [made] = await tx
        .insert(tokens)
        .values({ name, role, hash: hashToken(secret), expiresAt, createdWith: maker.id, createdBy: maker.name })
        .returning(INFO);
      if (made === undefined) throw new Error('storing a token gave no row');
      return { ...made, token: secret };
    });
  } catch (error) {
    const constraint = databaseFailure(error)?.constraint;
    if (constraint === 'tokens_one_by_name') throw new TokenError('name_taken');
    if (constraint === 'tokens_expiry') throw new TokenError('expired');
    throw error;
  }
}

/** When a token expires that makes another one. It is locked, so that it is not revoked meanwhile and the other missed. */
async function lockMaker(tx: Db, id: string): Promise<Date | null> {
  const [maker] = await tx
    .select({ expiresAt: tokens.expiresAt })
    .from(tokens)
    .where(and(eq(tokens.id, id), eq(tokens.role, 'admin'), IS_VALID))
    .for('share');
  if (maker === undefined) throw new TokenError('maker_invalid');
  return maker.expiresAt;
}

const INFO = {
  id: tokens.id,
  name: tokens.name,
  role: tokens.role,
  createdAt: tokens.createdAt,
  createdBy: tokens.createdBy,
  expiresAt: tokens.expiresAt,
  revokedAt: tokens.revokedAt,
  revokedBy: tokens.revokedBy,
  lastUsedAt: tokens.lastUsedAt,
};

const IS_VALID = and(isNull(tokens.revokedAt), or(isNull(tokens.expiresAt), gt(tokens.expiresAt, sql`now()`)));

/** What a request is let in by. */
export interface FoundToken {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  readonly lastUsedAt: Date | null;
}

/** The token with this hash, unless it is revoked or expired; null when there is none. */
export async function findToken(db: Db, hash: Buffer): Promise<FoundToken | null> {
  return (await findTokens(db, [hash])).get(hash.toString('hex')) ?? null;
}

/** The tokens with these hashes, each by its hash in hex, but for those that are revoked or expired. */
export async function findTokens(db: Db, hashes: readonly Buffer[]): Promise<ReadonlyMap<string, FoundToken>> {
  const found = await db
    .select({ hash: tokens.hash, id: tokens.id, name: tokens.name, role: tokens.role, lastUsedAt: tokens.lastUsedAt })
    .from(tokens)
    .where(and(inArray(tokens.hash, [...hashes]), IS_VALID));
  return new Map(found.map(({ hash, ...token }) => [hash.toString('hex'), token]));
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

/**
 * Revokes a token for good, and with it all that were made with it, whoever it was in whose hands it was. One that is
 * revoked already stays as it is. Null when there is none with this id.
 */
export async function revokeToken(db: Db, id: string, actor: string): Promise<TokenInfo | null> {
  return db.transaction(async (tx) => {
    // Again until there is none left: while the first round waited for a token, that one may have made another.
    while ((await revokeFamily(tx, id, actor)) > 0);
    const [token] = await tx.select(INFO).from(tokens).where(eq(tokens.id, id));
    return token ?? null;
  });
}

async function revokeFamily(tx: Db, id: string, actor: string): Promise<number> {
  const revoked = await tx.execute(
    sql`
      with recursive family as (
        select id from tokens where id = ${id}
        union
        select made.id from tokens made join family on made.created_with = family.id
      )
      update tokens set revoked_at = now(), revoked_by = ${actor}
      where id in (select id from family) and revoked_at is null
      returning id
    `,
  );
  return revoked.length;
}

/** Tokens, newest first, revoked and expired ones too; those after the one with the id `after`. */
export async function listTokens(db: Db, page: { after: string | null; limit: number }): Promise<TokenInfo[]> {
  const rest: SQL | undefined =
    page.after === null
      ? undefined
      : sql`(${tokens.createdAt}, ${tokens.id}) < (select created_at, id from tokens where id = ${page.after})`;
  return db.select(INFO).from(tokens).where(rest).orderBy(desc(tokens.createdAt), desc(tokens.id)).limit(page.limit);
}
