import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '../../db/core/database.ts';
import { tokens } from '../../db/schema.ts';
import { listDeploymentEvents } from '../../db/deployment/events.ts';
import { hashToken } from '../../db/tokens/secret.ts';
import {
  createToken,
  findToken,
  listTokens,
  revokeToken,
  type TokenInfo,
  type TokenCreator,
} from '../../db/tokens/tokens.ts';
import { COMMAND, problemWithTokenName } from '../../domain/tokens.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import { CREATOR, promised, waiting } from './support.ts';

const HOUR_MS = 3_600_000;

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  db = database.db;
});
afterAll(() => database.close());

const inHours = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);

function made(
  options: { name?: string; role?: 'admin' | 'viewer'; expiresAt?: Date; creator?: TokenCreator } = {},
): Promise<TokenInfo & { token: string }> {
  const { name = randomUUID(), role = 'admin', creator = CREATOR, expiresAt } = options;
  return createToken(db, { name, role, creator, expiresAt });
}

async function isValid({ token }: { token: string }): Promise<boolean> {
  return (await findToken(db, hashToken(token))) !== null;
}

/** Lets a token have expired. */
async function expire({ id }: TokenInfo): Promise<void> {
  await db
    .update(tokens)
    .set({ createdAt: inHours(-2), expiresAt: inHours(-1) })
    .where(eq(tokens.id, id));
}

describe('the name of a token', () => {
  it('belongs to one token until that is revoked, even if two are created at the same instant', async () => {
    const twice = await Promise.allSettled([made({ name: 'Ada' }), made({ name: 'Ada' })]);
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(made({ name: 'Ada' })).rejects.toMatchObject({ name: 'TokenError', why: 'name_taken' });
    const [first] = twice.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    await expire(first ?? (await made()));
    await expect(made({ name: 'Ada' })).rejects.toMatchObject({ why: 'name_taken' });
    await revokeToken(db, first?.id ?? '', 'test');
    expect(await made({ name: 'Ada' })).toMatchObject({ name: 'Ada' });
  });

  it('is never the reserved name of another actor, and never has spaces at its ends or invisible characters', () => {
    for (const name of [
      'meterline',
      'bootstrap',
      COMMAND,
      'Bootstrap',
      '',
      ' ',
      ' a',
      'a ',
      'a\nb',
      'a\u202eb',
      '\ud800',
      'x'.repeat(101),
    ]) {
      expect([name, problemWithTokenName(name)]).toEqual([name, expect.stringContaining('must')]);
    }
    for (const name of ['a', 'Ada Lovelace', 'grafana (eu)', 'é😀', 'x'.repeat(100)])
      expect(problemWithTokenName(name)).toBeNull();
  });
});

describe('a token', () => {
  it('shows who created it and who revoked it, in the API and in the table', async () => {
    const admin = await made({ name: 'The admin' });
    const token = await made({ role: 'viewer', creator: admin });
    expect(token).toMatchObject({ createdBy: 'The admin', revokedBy: null, revokedAt: null });
    expect(await revokeToken(db, token.id, 'Eve')).toMatchObject({ createdBy: 'The admin', revokedBy: 'Eve' });
    expect(await revokeToken(db, token.id, 'Bob')).toMatchObject({ revokedBy: 'Eve' });
    expect(await revokeToken(db, randomUUID(), 'Bob')).toBeNull();
    const nameless = sql`update tokens set revoked_at = now() where id = ${admin.id}`;
    await expect(db.execute(nameless)).rejects.toMatchObject({ cause: { constraint_name: 'tokens_revoked' } });
  });

  it('expires in the future, and no later than the token that created it', async () => {
    await expect(made({ expiresAt: inHours(-1) })).rejects.toMatchObject({ why: 'expired' });
    const admin = await made({ expiresAt: inHours(2) });
    await expect(made({ creator: admin, expiresAt: inHours(3) })).rejects.toMatchObject({ why: 'outlives_creator' });
    expect((await made({ creator: admin, expiresAt: inHours(1) })).expiresAt).toBeInstanceOf(Date);
    expect((await made({ creator: admin })).expiresAt).toEqual(admin.expiresAt);
    expect((await made({ creator: await made() })).expiresAt).toBeNull();
  });

  it('is not created by a viewer, nor by a token that is expired, revoked or unknown', async () => {
    const [expired, revoked] = [await made(), await made()];
    await expire(expired);
    await revokeToken(db, revoked.id, 'test');
    for (const creator of [await made({ role: 'viewer' }), expired, revoked, { id: randomUUID(), name: 'x' }]) {
      await expect(made({ creator })).rejects.toMatchObject({ why: 'creator_invalid' });
    }
  });

  it('that is revoked ends all tokens created by it, directly or indirectly, and no other', async () => {
    const root = await made();
    const child = await made({ creator: root });
    const grandchild = await made({ creator: child, role: 'viewer' });
    const [sibling, stranger] = [await made({ creator: root }), await made()];
    await revokeToken(db, child.id, 'test');
    expect(await Promise.all([root, child, grandchild, sibling, stranger].map(isValid))).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
    await revokeToken(db, root.id, 'test');
    expect(await Promise.all([root, sibling, stranger].map(isValid))).toEqual([false, false, true]);
  });

  it('that creates another while it or its own creator is revoked leaves no valid token behind', async () => {
    for (const generations of [1, 2]) {
      const root = await made();
      const creator = generations === 1 ? root : await made({ creator: root });
      const [stored, release] = [promised(), promised()];
      const making = db.transaction(async (tx) => {
        const child = await createToken(tx, { name: randomUUID(), role: 'admin', creator });
        stored.keep();
        await release.done;
        return child;
      });
      await stored.done;
      const revoking = revokeToken(db, root.id, 'test');
      await until('it waits for what is being made', async () => (await waiting(db)) > 0);
      release.keep();
      const [child] = await Promise.all([making, revoking]);
      expect([generations, await isValid(child)]).toEqual([generations, false]);
    }
  });
});

describe('an event of the deployment', () => {
  const about = async (id: string): Promise<string[]> =>
    (await listDeploymentEvents(db, { type: null, after: null, limit: 1_000 }))
      .filter(({ message }) => message.includes(`(${id})`))
      .map(({ type, actor }) => `${type} by ${actor}`);

  it('is recorded once for each token that is created or revoked', async () => {
    const root = await made();
    const child = await made({ creator: root });
    for (const actor of ['Eve', 'Bob']) await revokeToken(db, root.id, actor);
    expect(await about(root.id)).toEqual(['token_revoked by Eve', 'token_created by test']);
    expect(await about(child.id)).toEqual(['token_revoked by Eve', `token_created by ${root.name}`]);
  });

  it('is stored in the transaction of its change', async () => {
    const { id } = await made();
    const undone = db.transaction(async (tx) => {
      await revokeToken(tx, id, 'Eve');
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await about(id)).toEqual(['token_created by test']);
    const refused = made({ name: 'x'.repeat(101) });
    await expect(refused).rejects.toThrow();
    const events = await listDeploymentEvents(db, { type: null, after: null, limit: 1_000 });
    expect(events.filter(({ message }) => message.includes('xxx'))).toEqual([]);
  });
});

it('tokens are listed in pages, newest first, each once', async () => {
  const whole = await listTokens(db, { after: null, limit: 1_000 });
  const seen: TokenInfo[] = [];
  for (let after: string | null = null; ; after = seen.at(-1)?.id ?? null) {
    const page: TokenInfo[] = await listTokens(db, { after, limit: 3 });
    seen.push(...page);
    if (page.length < 3) break;
  }
  expect(seen).toEqual(whole);
  expect(JSON.stringify(seen)).not.toContain('hash');
  const ages = seen.map(({ createdAt }) => createdAt.getTime());
  expect(ages).toEqual([...ages].sort((a, b) => b - a));
});
