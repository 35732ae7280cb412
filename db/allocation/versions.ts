import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { documentOf, readAllocation, type AllocationDocument, type Conditions } from '../../domain/allocation/check.ts';
import type { Allocation } from '../../domain/allocation/document.ts';
import { firstDayOf, isMonth, monthOf, previousMonth, type Month } from '../../domain/months.ts';
import { count } from '../../domain/notices/spell.ts';
import { rows, type Db } from '../core/database.ts';
import { dayJson, parseAnswer } from '../core/json.ts';
import { addDeploymentEvent } from '../deployment/events.ts';

/** An allocation document as it was stored. */
export interface AllocationVersion {
  /** From 1 on. */
  readonly version: number;
  readonly allocation: Allocation;
  /** The name of the token that stored it. */
  readonly actor: string;
  /** RFC 3339. */
  readonly at: string;
}

/** The month from which a document should be in force is closed already. */
export class ClosedMonthError extends Error {
  override readonly name = 'ClosedMonthError';
  constructor(readonly lastClosed: Month) {
    super(`${lastClosed} is closed`);
  }
}

const values = z.array(z.string().nullable());
const conditions: z.ZodType<Conditions> = z.record(z.string(), values);
const target = z.union([z.string(), z.strictObject({ tag: z.string() }), z.strictObject({ pool: z.string() })]);
const split = z.union([
  z.literal('even'),
  z.strictObject({ fixed: z.record(z.string(), z.string()) }),
  z.strictObject({ proportional: z.enum(['cost', 'tokens']) }),
]);
const recipient = z.union([z.string(), z.strictObject({ pool: z.string() })]);
const stored: z.ZodType<AllocationDocument> = z.strictObject({
  from: z.custom<Month>((value) => typeof value === 'string' && isMonth(value)),
  rules: z.array(
    z.strictObject({ name: z.string(), where: z.object({ not: conditions.optional() }).catchall(values), to: target }),
  ),
  pools: z.array(z.strictObject({ name: z.string(), split, among: z.array(recipient).optional() })),
});

const version = z
  .object({ version: z.int(), document: stored, actor: z.string(), at: z.string() })
  .transform(({ document, ...rest }): AllocationVersion => {
    const { allocation, faults } = readAllocation(document);
    const [fault] = faults;
    if (fault !== undefined) throw new Error(`Allocation version ${rest.version} is broken at ${fault.path}`);
    return { ...rest, allocation };
  });

const COLUMNS = sql`version, document, actor, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`;

/** Decides about months one after the other: what is closed, and by which document. Must be the first statement of a transaction. */
export async function lockMonths(tx: Db): Promise<void> {
  await tx.execute(sql`lock table statements in share row exclusive mode`);
}

/** The last closed month; null if none is. */
export async function lastClosedMonth(db: Db): Promise<Month | null> {
  const [found] = await rows(
    db,
    z.object({ month: dayJson }),
    sql`select month::text from statements where state = 'closed' order by month desc limit 1`,
  );
  return found === undefined ? null : monthOf(found.month);
}

/**
 * Stores a document, in force from its month on; the one that is in force already is not stored again. Throws
 * {@link ClosedMonthError} if that month, or a later one, is closed.
 */
export async function storeAllocation(
  db: Db,
  allocation: Allocation,
  actor: string,
): Promise<{ stored: AllocationVersion; isNew: boolean }> {
  const document = JSON.stringify(documentOf(allocation));
  return db.transaction(async (tx) => {
    await lockMonths(tx);
    const closed = await lastClosedMonth(tx);
    if (closed !== null && allocation.from <= closed) throw new ClosedMonthError(closed);
    const [same] = await rows(
      tx,
      z.object({ version: z.int() }),
      sql`
        select version from allocation_versions v
        where from_day = ${firstDayOf(allocation.from)} and document = ${document}::jsonb
          and not exists (select from allocation_versions n where n.from_day = v.from_day and n.version > v.version)
      `,
    );
    const number = same?.version ?? (await insertVersion(tx, allocation, document, actor));
    const [found] = await rows(tx, version, sql`select ${COLUMNS} from allocation_versions where version = ${number}`);
    if (found === undefined) throw new Error(`Allocation version ${number} is gone`);
    return { stored: found, isNew: same === undefined };
  });
}

async function insertVersion(tx: Db, allocation: Allocation, document: string, actor: string): Promise<number> {
  const [made] = await rows(
    tx,
    z.object({ version: z.int() }),
    sql`
      insert into allocation_versions (version, from_day, document, actor)
      select coalesce(max(version), 0) + 1, ${firstDayOf(allocation.from)}::date, ${document}::jsonb, ${actor}
      from allocation_versions
      returning version
    `,
  );
  if (made === undefined) throw new Error('An insert of one row returned none');
  const { rules, pools, from } = allocation;
  const message = `Version ${made.version} of the allocation, with ${count(rules.length, 'rule')} and ${count(pools.length, 'pool')}, is in force from ${from} on`;
  await addDeploymentEvent(tx, { type: 'allocation_stored', actor, message });
  return made.version;
}

/** The document in force in a month: the last one of the latest month up to it. Null if there is none. */
export async function allocationOf(db: Db, month: Month): Promise<AllocationVersion | null> {
  const [found] = await rows(
    db,
    version,
    sql`
      select ${COLUMNS} from allocation_versions
      where from_day <= ${firstDayOf(month)}
      order by from_day desc, version desc
      limit 1
    `,
  );
  return found ?? null;
}

/** A version by its number. */
export async function allocationVersion(db: Db, number: number): Promise<AllocationVersion | null> {
  const [found] = await rows(db, version, sql`select ${COLUMNS} from allocation_versions where version = ${number}`);
  return found ?? null;
}

/** A version in the list of all of them. */
export interface ListedVersion extends AllocationVersion {
  /** Whether no other version took its place before it was in force for a month. */
  readonly isInForce: boolean;
  /** The last month in which it is in force; null if no later version ends it. */
  readonly through: Month | null;
}

const listed = z.object({ version: z.int(), isInForce: z.boolean(), next: dayJson.nullable() });

/** Every version, newest first; `after` is the number of the last one seen. */
export async function listAllocations(db: Db, page: { after: number | null; limit: number }): Promise<ListedVersion[]> {
  const found = await rows(
    db,
    z.object({ row: z.json() }),
    sql`
      select to_jsonb(v) || jsonb_build_object('at', to_char(v.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as row
      from (
        select
          version, document, actor, at,
          not exists (select from allocation_versions n where n.from_day = a.from_day and n.version > a.version) as "isInForce",
          (select min(n.from_day) from allocation_versions n where n.from_day > a.from_day) as next
        from allocation_versions a
      ) v
      where ${page.after === null ? sql`true` : sql`version < ${page.after}`}
      order by version desc
      limit ${page.limit}
    `,
  );
  return found.map(({ row }) => {
    const { isInForce, next } = parseAnswer(listed, row);
    const own = parseAnswer(version, row);
    return { ...own, isInForce, through: next === null ? null : previousMonth(monthOf(next)) };
  });
}
