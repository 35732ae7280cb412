import { and, desc, eq, gt, inArray, isNull, lt, or, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { TokenRole } from '../../domain/tokens.ts';
import { databaseFailure, rows, type Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { sessions } from '../sessions/tables.ts';
import { hashToken, mintToken } from './secret.ts';
import { tokens } from './tables.ts';

/** A token as it may be shown: never the token itself. */
export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  readonly createdAt: Date;
  /** The name that events give whoever created it. */
  readonly createdBy: string;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
  readonly lastUsedAt: Date | null;
}

/** Who creates a token: another token, or with a null id `bootstrap` or a command. `name` is what events show. */
export interface TokenCreator {
  readonly id: string | null;
  readonly name: string;
}

/** Why a token is not created. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  constructor(readonly why: 'name_taken' | 'expired' | 'outlives_creator' | 'creator_invalid') {
    super(WHY[why]);
  }
}

const WHY = {
  name_taken: 'Another token has this name and is not revoked.',
  expired: 'A token must expire in the future.',
  outlives_creator: 'A token must not expire after the token that creates it.',
  creator_invalid: 'Only an admin token that is neither revoked nor expired can create a token.',
} as const;

/**
 * Creates a token and stores its hash. The reply is the only place where the token itself is ever seen. A token that
 * another one creates expires no later than that one, and at the same instant if `expiresAt` is missing. Throws
 * {@link TokenError}.
 */
export async function createToken(
  db: Db,
  token: { name: string; role: TokenRole; expiresAt?: Date | undefined; creator: TokenCreator },
): Promise<TokenInfo & { readonly token: string }> {
  const { name, role, creator } = token;
  const secret = mintToken();
  try {
    return await db.transaction(async (tx) => {
      const latest = creator.id === null ? null : await lockCreator(tx, creator.id);
      const expiresAt = token.expiresAt ?? latest;
      if (latest !== null && expiresAt !== null && expiresAt > latest) throw new TokenError('outlives_creator');
      const [created] = await tx
        .insert(tokens)
        .values({ name, role, hash: hashToken(secret), expiresAt, createdWith: creator.id, createdBy: creator.name })
        .returning(INFO);
      if (created === undefined) throw new Error('storing a token gave no row');
      const end = expiresAt === null ? 'it does not expire' : `it expires at ${expiresAt.toISOString()}`;
      const message = `Token "${name}" (${created.id}) is created with the role ${role}; ${end}.`;
      await addDeploymentEvent(tx, { type: 'token_created', actor: creator.name, message });
      return { ...created, token: secret };
    });
  } catch (error) {
    const constraint = databaseFailure(error)?.constraint;
    if (constraint === 'tokens_one_by_name') throw new TokenError('name_taken');
    if (constraint === 'tokens_expiry') throw new TokenError('expired');
    throw error;
  }
}

/** When the creator of a token expires. */
async function lockCreator(tx: Db, id: string): Promise<Date | null> {
  const creator = await lockToken(tx, and(eq(tokens.id, id), eq(tokens.role, 'admin')));
  if (creator === null) throw new TokenError('creator_invalid');
  return creator.expiresAt;
}

/**
 * A token that is neither revoked nor expired, if there is one. The lock makes its revocation wait until the transaction
 * has stored what comes from it, a token or a session, so that the revocation takes that along.
 */
export async function lockToken(
  tx: Db,
  which: SQL | undefined,
): Promise<{ readonly id: string; readonly name: string; readonly expiresAt: Date | null } | null> {
  const [token] = await tx
    .select({ id: tokens.id, name: tokens.name, expiresAt: tokens.expiresAt })
    .from(tokens)
    .where(and(which, IS_VALID))
    .for('share');
  return token ?? null;
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

/** The token that lets a request in. */
export interface FoundToken {
  readonly id: string;
  readonly name: string;
  readonly role: TokenRole;
  readonly lastUsedAt: Date | null;
}

/** The token with this hash; null if there is none, or it is revoked or expired. */
export async function findToken(db: Db, hash: Buffer): Promise<FoundToken | null> {
  return (await findTokens(db, [hash])).get(hash.toString('hex')) ?? null;
}

/** The tokens with these hashes that are neither revoked nor expired, each by its hash in hex. */
export async function findTokens(db: Db, hashes: readonly Buffer[]): Promise<ReadonlyMap<string, FoundToken>> {
  const found = await db
    .select({ hash: tokens.hash, id: tokens.id, name: tokens.name, role: tokens.role, lastUsedAt: tokens.lastUsedAt })
    .from(tokens)
    .where(and(inArray(tokens.hash, [...hashes]), IS_VALID));
  return new Map(found.map(({ hash, ...token }) => [hash.toString('hex'), token]));
}

/** Records that a token was used, at most once a minute. */
export async function touchToken(db: Db, id: string): Promise<void> {
  await db
    .update(tokens)
    .set({ lastUsedAt: sql`now()` })
    .where(
      and(eq(tokens.id, id), or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, sql`now() - interval '1 minute'`))),
    );
}

/**
 * Revokes a token for good, and with it its family: every token that it created, and those that these created. Their
 * sessions end. A token that is revoked already stays as it is. Null if there is no token with this id.
 */
export async function revokeToken(db: Db, id: string, actor: string): Promise<TokenInfo | null> {
  return db.transaction(async (tx) => {
    // While one round waits for a token of the family, that token may create another, which the next round finds.
    while ((await revokeFamily(tx, id, actor)) > 0);
    const [token] = await tx.select(INFO).from(tokens).where(eq(tokens.id, id));
    return token ?? null;
  });
}

/** Revokes those of a token's family that are not revoked yet, and ends their sessions. Returns how many there were. */
async function revokeFamily(tx: Db, id: string, actor: string): Promise<number> {
  const revoked = await rows(
    tx,
    z.object({ id: z.string(), name: z.string() }),
    sql`
      with recursive family as (
        select id from tokens where id = ${id}
        union
        select child.id from tokens child join family on child.created_with = family.id
      )
      update tokens set revoked_at = now(), revoked_by = ${actor}
      where id in (select id from family) and revoked_at is null
      returning id, name
    `,
  );
  const ids = revoked.map((token) => token.id);
  const ended = await tx
    .delete(sessions)
    .where(inArray(sessions.tokenId, ids))
    .returning({ tokenId: sessions.tokenId });
  for (const token of revoked) {
    const why = token.id === id ? '' : `, with the token ${id} that it came from`;
    const count = ended.filter(({ tokenId }) => tokenId === token.id).length;
    const end = count === 0 ? '' : ` Sessions that end with it: ${count}.`;
    const message = `Token "${token.name}" (${token.id}) is revoked${why}.${end}`;
    await addDeploymentEvent(tx, { type: 'token_revoked', actor, message });
  }
  return revoked.length;
}

/** Tokens, newest first, with revoked and expired ones; `after` is the id of the last one seen. */
export async function listTokens(db: Db, page: { after: string | null; limit: number }): Promise<TokenInfo[]> {
  const rest: SQL | undefined =
    page.after === null
      ? undefined
      : sql`(${tokens.createdAt}, ${tokens.id}) < (select created_at, id from tokens where id = ${page.after})`;
  return db.select(INFO).from(tokens).where(rest).orderBy(desc(tokens.createdAt), desc(tokens.id)).limit(page.limit);
}
