import { and, eq, gt, inArray, lte, sql } from 'drizzle-orm';
import { LINK_MINUTES } from '../../domain/sessions.ts';
import type { Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { hashToken, mintToken } from '../tokens/secret.ts';
import { links } from './tables.ts';

const IS_USABLE = gt(links.expiresAt, sql`now()`);

/**
 * Creates a link, which begins one session of an admin within five minutes, and returns its link token. Nothing else ever
 * shows it: the database has its hash. `actor` is the name that events show.
 */
export async function createLink(db: Db, actor: string): Promise<string> {
  const linkToken = mintToken('link');
  await db.transaction(async (tx) => {
    await tx.delete(links).where(lte(links.expiresAt, sql`now()`));
    const [link] = await tx
      .insert(links)
      .values({
        hash: hashToken(linkToken),
        createdBy: actor,
        expiresAt: sql`now() + make_interval(mins => ${LINK_MINUTES})`,
      })
      .returning({ id: links.id });
    if (link === undefined) throw new Error('storing a link gave no row');
    const message = `Link ${link.id} is created. It works once, for ${LINK_MINUTES} minutes.`;
    await addDeploymentEvent(tx, { type: 'link_created', actor, message });
  });
  return linkToken;
}

/** Those of these hashes, in hex, whose link can be used. */
export async function findLinks(db: Db, hashes: readonly Buffer[]): Promise<ReadonlyMap<string, true>> {
  const found = await db
    .select({ hash: links.hash })
    .from(links)
    .where(and(inArray(links.hash, [...hashes]), IS_USABLE));
  return new Map(found.map(({ hash }) => [hash.toString('hex'), true]));
}

/** Uses a link up, and returns its id; null if it cannot be used (any more). Of two at once, one gets null. */
export async function takeLink(tx: Db, hash: Buffer): Promise<string | null> {
  const [taken] = await tx
    .delete(links)
    .where(and(eq(links.hash, hash), IS_USABLE))
    .returning({ id: links.id });
  return taken?.id ?? null;
}
