import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { createConnection } from '../../db/connections/connections.ts';
import { setStatus } from '../../db/connections/status.ts';
import type { Db } from '../../db/core/database.ts';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { acceptKey } from '../../db/keys/activate.ts';
import { commitDays, type DayOutcome, type ReadDay } from '../../db/ledger/commit.ts';
import { startReadAttempt } from '../../db/ledger/read-attempts.ts';
import { addDays, toDay, type Day } from '../../domain/days.ts';
import type { Count, Json, UsageCount } from '../../domain/lines.ts';
import type { CostLine, UsageLine } from '../support/lines.ts';
import { ZERO, toDecimal, type Decimal } from '../../domain/money.ts';
import type { Totals } from '../../domain/reading.ts';
import { adminKey } from '../support/admin-key.ts';
import { costContent, usageContent } from '../support/pages.ts';
import { row, rows } from '../support/rows.ts';

export const RING = createKeyRing([{ id: 'test', key: randomBytes(32) }]);
export const TODAY = toDay('2026-11-20');
/** A day that is over. */
export const DAY = addDays(TODAY, -10);
/** A key that must not be seen anywhere. */
export const SECRET = `sk-ant-admin01-${'Canary_'.repeat(12)}AA`;

/** Whoever makes tokens without one. */
export const CREATOR = { id: null, name: 'test' };

/** Stores a connection; with an organization, its first key is accepted already. */
export async function connect(
  db: Db,
  options: { organization?: string; secret?: string; began?: Day; backfillTo?: Day } = {},
): Promise<{ id: string; keyId: string }> {
  const { organization, secret = SECRET, began = addDays(TODAY, -30), backfillTo = TODAY } = options;
  const [id, keyId] = [randomUUID(), randomUUID()];
  await createConnection(db, RING, {
    id,
    name: 'Test',
    began,
    backfillTo,
    keyId,
    adminKey: adminKey(secret),
    actor: 'test',
  });
  if (organization !== undefined) {
    await acceptKey(db, { connectionId: id, keyId }, { id: organization, name: `The ${organization}` });
    await setStatus(db, id, 'discovering');
  }
  return { id, keyId };
}

export function cost(amount: string, dimensions: Readonly<Record<string, Json>> = {}): CostLine {
  return { amount: toDecimal(amount), dimensions: { currency: 'USD', ...dimensions } };
}

/** Totals by their days; null where one cannot be read. */
export function totalsOf(totals: Readonly<Record<string, string | null>>): Totals {
  const read: Partial<Record<Day, Decimal | null>> = {};
  for (const [day, total] of Object.entries(totals)) read[toDay(day)] = total === null ? null : toDecimal(total);
  return read;
}

export function usage(
  counts: Partial<Record<UsageCount, Count>>,
  dimensions: Readonly<Record<string, Json>> = {},
  extraCounts: Readonly<Record<string, number | string>> = {},
): UsageLine {
  const none = {
    uncached_input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation_5m: 0,
    cache_creation_1h: 0,
    web_search_requests: 0,
  };
  const exact = Object.entries(extraCounts)
    .map(([path, value]): [string, Decimal] => [path, toDecimal(String(value))])
    .filter(([, value]) => value !== ZERO);
  return { dimensions, counts: { ...none, ...counts }, extraCounts: Object.fromEntries(exact) };
}

interface Commit {
  readonly day?: Day;
  readonly attempt?: number;
  readonly sync?: number;
  readonly today?: Day;
  readonly reported?: string;
}

/** The number of the next attempt. */
export async function takeAttempt(db: Db): Promise<number> {
  const { attempt } = await startReadAttempt(db, randomUUID(), 'cost', { from: DAY, to: DAY });
  return attempt;
}

async function commitOne(db: Db, read: ReadDay): Promise<DayOutcome> {
  const outcome = (await commitDays(db, [read])).get(read.day);
  if (outcome === undefined) throw new Error('a day came to nothing');
  return outcome;
}

let syncs = 0;

/** Unless a test says otherwise, each commit is another sync's. */
function nextSync(): number {
  syncs += 1;
  return syncs;
}

/** Commits a day of cost, by default with the next attempt. */
export async function commitCost(
  db: Db,
  connectionId: string,
  lines: readonly CostLine[],
  { day = DAY, attempt, sync = nextSync(), today = TODAY, reported }: Commit = {},
): Promise<DayOutcome> {
  const read: ReadDay = {
    connectionId,
    report: 'cost',
    day,
    ...costContent(lines),
    sync,
    today,
    reported: reported === undefined ? null : toDecimal(reported),
    attempt: attempt ?? (await takeAttempt(db)),
  };
  return commitOne(db, read);
}

/** Commits a day of usage, by default with the next attempt. */
export async function commitUsage(
  db: Db,
  connectionId: string,
  lines: readonly UsageLine[],
  { day = DAY, attempt, sync = nextSync(), today = TODAY, reported }: Commit = {},
): Promise<DayOutcome> {
  const read: ReadDay = {
    connectionId,
    report: 'usage',
    day,
    ...usageContent(lines),
    sync,
    today,
    reported: reported === undefined ? null : toDecimal(reported),
    attempt: attempt ?? (await takeAttempt(db)),
  };
  return commitOne(db, read);
}

export interface DayRow extends Record<string, unknown> {
  readonly state: string;
  readonly reconciled: boolean;
  readonly disagrees_with: string | null;
  readonly lines: number;
  readonly total: string;
  readonly attempt: number;
  readonly read_on: string;
  readonly sync: number;
}

/** The row of a day, or undefined while it is missing. */
export async function dayRow(
  db: Db,
  connectionId: string,
  report: 'cost' | 'usage',
  day = DAY,
): Promise<DayRow | undefined> {
  const [found] = await rows<DayRow>(
    db,
    sql`
      select state, reconciled, disagrees_with::text, lines, total::text, attempt::int, read_on::text, sync
      from days where connection_id = ${connectionId} and report = ${report} and day = ${day}
    `,
  );
  return found;
}

/** A number that a statement counts. */
export async function count(db: Db, query: ReturnType<typeof sql>): Promise<number> {
  return (await row<{ count: number }>(db, sql`select count(*)::int as count from ${query}`)).count;
}

/** A promise, and how to keep it. */
export function promised(): { done: Promise<void>; keep: () => void } {
  let keep = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    keep = resolve;
  });
  return { done, keep };
}

/** How many backends of this database wait for a lock. */
export function waiting(db: Db): Promise<number> {
  return count(db, sql`pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
}
