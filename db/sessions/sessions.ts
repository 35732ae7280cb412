import { and, desc, eq, inArray, isNull, lt, not, or, sql, type SQL } from 'drizzle-orm';
import { SESSIONS_AT_ONCE, SESSION_DAYS, SESSION_IDLE_HOURS } from '../../domain/sessions.ts';
import { BOOTSTRAP, CONSOLE, type TokenRole } from '../../domain/tokens.ts';
import type { Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { hashToken, mintToken } from '../tokens/secret.ts';
import { tokens } from '../tokens/tables.ts';
import { lockToken } from '../tokens/tokens.ts';
import { takeLink } from './links.ts';
import { sessions } from './tables.ts';

/** What a session begins with. A tag stands for `METERLINE_API_TOKEN`, see `KeyRing.tags`. */
export type SessionKey = { readonly link: Buffer } | { readonly token: Buffer } | { readonly bootstrapTag: Buffer };

/** A session that lasts, as it may be shown. */
export interface SessionInfo {
  readonly no: number;
  readonly id: string;
  /** The name of its token: what events show. */
  readonly name: string;
  readonly role: TokenRole;
  /** Null for the token in `METERLINE_API_TOKEN`, and for a link. */
  readonly tokenId: string | null;
  readonly begunWith: 'link' | 'token';
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
}

const LASTS = sql`(${sessions.expiresAt} > now() and ${sessions.lastSeenAt} > now() - ${sql.raw(`interval '${SESSION_IDLE_HOURS} hours'`)})`;

/**
 * Begins a session, and returns its secret, which nothing else ever shows: the database has its hash. Null if the link is
 * used or too old, or the token is unknown, revoked or expired. A link is used up even if two requests come at once.
 */
export async function beginSession(
  db: Db,
  key: SessionKey,
): Promise<{ readonly id: string; readonly secret: string } | null> {
  const secret = mintToken('session');
  return db.transaction(async (tx) => {
    const origin = await originOf(tx, key);
    if (origin === null) return null;
    const { name, end, words, ...columns } = origin;
    await tx.delete(sessions).where(not(LASTS));
    const [session] = await tx
      .insert(sessions)
      .values({
        ...columns,
        hash: hashToken(secret),
        // Postgres ignores a null here.
        expiresAt: sql`least(now() + make_interval(days => ${SESSION_DAYS}), ${end?.toISOString() ?? null}::timestamptz)`,
      })
      .returning({ id: sessions.id });
    if (session === undefined) throw new Error('storing a session gave no row');
    const message = `Session ${session.id} begins with ${words}.`;
    await addDeploymentEvent(tx, { type: 'session_begun', actor: name, message });
    await endOldest(tx, columns, name);
    return { id: session.id, secret };
  });
}

/** Ends what one token, or links, have beyond {@link SESSIONS_AT_ONCE}: a script that signs in each time fills no table. */
async function endOldest(tx: Db, { tokenId, bootstrapTag }: Pick<Origin, 'tokenId' | 'bootstrapTag'>, actor: string) {
  const surplus = tx
    .select({ no: sessions.no })
    .from(sessions)
    .where(
      and(
        tokenId === null ? isNull(sessions.tokenId) : eq(sessions.tokenId, tokenId),
        bootstrapTag === null ? isNull(sessions.bootstrapTag) : eq(sessions.bootstrapTag, bootstrapTag),
      ),
    )
    .orderBy(desc(sessions.no))
    .offset(SESSIONS_AT_ONCE);
  const ended = await tx.delete(sessions).where(inArray(sessions.no, surplus)).returning({ id: sessions.id });
  for (const { id } of ended) {
    const message = `Session ${id} is ended, because ${SESSIONS_AT_ONCE} newer ones began in the same way.`;
    await addDeploymentEvent(tx, { type: 'session_ended', actor, message });
  }
}

interface Origin {
  readonly tokenId: string | null;
  readonly bootstrapTag: Buffer | null;
  readonly name: string;
  /** When it ends at the latest, if its token says so. */
  readonly end: Date | null;
  readonly words: string;
}

async function originOf(tx: Db, key: SessionKey): Promise<Origin | null> {
  if ('bootstrapTag' in key) {
    return { ...key, tokenId: null, name: BOOTSTRAP, end: null, words: 'the token in METERLINE_API_TOKEN' };
  }
  if ('link' in key) {
    const id = await takeLink(tx, key.link);
    if (id === null) return null;
    return { tokenId: null, bootstrapTag: null, name: CONSOLE, end: null, words: `link ${id}` };
  }
  const token = await lockToken(tx, eq(tokens.hash, key.token));
  if (token === null) return null;
  const { id, name, expiresAt } = token;
  return { tokenId: id, bootstrapTag: null, name, end: expiresAt, words: `token "${name}" (${id})` };
}

/** The sessions with these hashes that last, each by its hash in hex. A `METERLINE_API_TOKEN` of before has no tag here. */
export async function findSessions(
  db: Db,
  hashes: readonly Buffer[],
  bootstrapTags: readonly Buffer[],
): Promise<ReadonlyMap<string, SessionInfo>> {
  const found = await select(db, bootstrapTags, inArray(sessions.hash, [...hashes]));
  return new Map(found.map(({ hash, ...row }) => [hash.toString('hex'), infoOf(row)]));
}

/** Sessions that last, newest first; `after` is the `no` of the last one seen. */
export async function listSessions(
  db: Db,
  bootstrapTags: readonly Buffer[],
  page: { after: number | null; limit: number },
): Promise<SessionInfo[]> {
  const rest = page.after === null ? undefined : lt(sessions.no, page.after);
  const found = await select(db, bootstrapTags, rest).orderBy(desc(sessions.no)).limit(page.limit);
  return found.map(infoOf);
}

/** Records that a session was used, at most once a minute. */
export async function touchSession(db: Db, id: string): Promise<void> {
  await db
    .update(sessions)
    .set({ lastSeenAt: sql`now()` })
    .where(and(eq(sessions.id, id), lt(sessions.lastSeenAt, sql`now() - interval '1 minute'`)));
}

/** Ends a session, in its own name or in that of an admin who revokes it. False if there is none with this id. */
export async function endSession(
  db: Db,
  id: string,
  by: { type: 'session_ended' | 'session_revoked'; actor: string },
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const ended = await tx
      .delete(sessions)
      .where(and(eq(sessions.id, id), LASTS))
      .returning({ id: sessions.id });
    if (ended.length === 0) return false;
    const message = `Session ${id} is ${by.type === 'session_ended' ? 'ended' : 'revoked'}.`;
    await addDeploymentEvent(tx, { ...by, message });
    return true;
  });
}

function select(db: Db, bootstrapTags: readonly Buffer[], rest: SQL | undefined) {
  return db
    .select({
      hash: sessions.hash,
      no: sessions.no,
      id: sessions.id,
      tokenId: sessions.tokenId,
      bootstrapTag: sessions.bootstrapTag,
      tokenName: tokens.name,
      role: tokens.role,
      createdAt: sessions.createdAt,
      lastSeenAt: sessions.lastSeenAt,
      expiresAt: sessions.expiresAt,
    })
    .from(sessions)
    .leftJoin(tokens, eq(tokens.id, sessions.tokenId))
    .where(and(LASTS, or(isNull(sessions.bootstrapTag), inArray(sessions.bootstrapTag, [...bootstrapTags])), rest));
}

type Row = Omit<Awaited<ReturnType<typeof select>>[number], 'hash'>;

/** Only an admin gives a session without a token of its own: with a link, or with the token in `METERLINE_API_TOKEN`. */
function infoOf({ bootstrapTag, tokenName, role, ...row }: Row): SessionInfo {
  return {
    ...row,
    name: tokenName ?? (bootstrapTag === null ? CONSOLE : BOOTSTRAP),
    role: role ?? 'admin',
    begunWith: row.tokenId === null && bootstrapTag === null ? 'link' : 'token',
  };
}
