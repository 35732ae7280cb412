import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Decimal } from '../../domain/money.ts';
import type { Group, GroupKey } from '../../domain/spend/query.ts';
import { eachRow } from '../core/cursor.ts';
import { list, row, rows, textArray, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { quotient } from '../spend/quotient.ts';
import { keyColumn, type Source } from './source.ts';

/** What rows of chargeback are grouped by. */
export type CenterGroup = Group | 'cost_center';

/** Amounts of chargeback, exact, in major units. */
export interface Charged {
  /** What rules give. For nobody: what no rule took. */
  readonly direct: Decimal;
  /** Shares of pools. For nobody: what pools without recipients keep. */
  readonly shared: Decimal;
  /** Corrections of closed months. */
  readonly adjustment: Decimal;
  /** The sum of the three. */
  readonly amount: Decimal;
}

/** A row of chargeback: its key in the order of the groups, and the names that belong to ids in it. */
export interface ChargedRow extends Charged {
  readonly key: GroupKey;
  readonly workspaceName: string | null;
  readonly connectionName: string | null;
}

/** What belongs to all rows of chargeback, in US dollars. */
export interface ChargedTotals {
  /** The bill of the month. */
  readonly total: Decimal;
  readonly totalAdjustment: Decimal;
  /** What belongs to nobody, adjustments included. */
  readonly unallocated: Decimal;
  /** `total` and `totalAdjustment` less `unallocated`, in percent, half to even at 12 decimals; null if they add up to nothing. */
  readonly allocatedPercent: Decimal | null;
  /** What was charged in another currency. It is never added to US dollars. */
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: Decimal }[];
}

/** What belongs to nobody, and why. */
export interface UnallocatedGroup {
  readonly workspace: string | null;
  readonly workspaceName: string | null;
  readonly model: string | null;
  readonly costType: string | null;
  /** The pool that has no recipients; null if no rule matched. */
  readonly pool: string | null;
  readonly amount: Decimal;
}

const charged = { direct: decimalText, shared: decimalText, adjustment: decimalText, amount: decimalText };
const chargedRow = z.object({
  key: z.array(z.string().nullable()),
  workspaceName: z.string().nullable(),
  connectionName: z.string().nullable(),
  ...charged,
});
const totalsSchema = z.object({
  total: decimalText,
  totalAdjustment: decimalText,
  unallocated: decimalText,
  allocatedPercent: decimalText.nullable(),
  otherCurrencies: z.array(z.object({ currency: z.string(), amount: decimalText })),
});

const unallocatedGroup = z.object({
  workspace: z.string().nullable(),
  workspaceName: z.string().nullable(),
  model: z.string().nullable(),
  costType: z.string().nullable(),
  pool: z.string().nullable(),
  amount: decimalText,
});

const text = (decimal: SQL): SQL => sql`trim_scale(${decimal})::text`;

function groupsOf(groupBy: readonly CenterGroup[]): Group[] {
  return groupBy.filter((group) => group !== 'cost_center');
}

const sumIf = (amount: SQL, condition: SQL): SQL => sql`coalesce(sum(${amount}) filter (where ${condition}), 0)`;

/** A statement that adds up targeted amounts by these keys and by where they go. */
function addedUpBy(keys: readonly SQL[], from: SQL): SQL {
  const columns = list([...keys, sql`currency, center, pool, rules_of, is_correction`]);
  return sql`select ${columns}, sum(amount) as amount from ${from} group by ${columns}`;
}

/**
 * A statement that gives the sums of {@link addedUpBy} to cost centers, with the same keys. What a pool shares has the
 * pool's name.
 */
function givenTo(keys: readonly SQL[], from: SQL, of: 'everybody' | 'nobody' = 'everybody'): SQL {
  const own = list([...keys, sql`currency`]);
  const ofTargeted = list([...keys, sql`currency`].map((column) => sql`t.${column}`));
  const [isDirect, isShared] = of === 'nobody' ? [sql`and center is null`, sql`and s.center is null`] : [sql``, sql``];
  return sql`
    select ${own}, center, null as pool,
      ${sumIf(sql`amount`, sql`not is_correction`)} as direct, 0::numeric as shared,
      ${sumIf(sql`amount`, sql`is_correction`)} as adjustment
    from ${from}
    where pool is null ${isDirect}
    group by ${own}, center
    union all
    select ${ofTargeted}, s.center, t.pool, 0::numeric,
      ${sumIf(sql`t.amount * s.fraction`, sql`not t.is_correction`)},
      ${sumIf(sql`t.amount * s.fraction`, sql`t.is_correction`)}
    from ${from} t join shares s on s.rules_of = t.rules_of and s.pool = t.pool ${isShared}
    group by ${ofTargeted}, s.center, t.pool
  `;
}

/** The parts up to `allocated`: sums by their groups `k0`, `k1`, …, `center`, `pool` and `currency`. */
function allocatedParts(source: Source, groups: readonly Group[]): SQL[] {
  const keys = groups.map((_, index) => keyColumn(index));
  return [
    ...source.parts(groups),
    sql`added as materialized (${addedUpBy(keys, sql`targeted`)})`,
    sql`allocated as (${givenTo(keys, sql`added`)})`,
  ];
}

/** The part `keyed`: the rows of `allocated` with their key. Other currencies have rows only if the rows say which. */
function keyed(groupBy: readonly CenterGroup[]): SQL {
  let place = 0;
  const elements = groupBy.map((group) => {
    if (group === 'cost_center') return sql`center`;
    place += 1;
    return keyColumn(place - 1);
  });
  const inUsd = groupBy.includes('currency') ? sql`` : sql`where currency = 'USD'`;
  return sql`keyed as (
    select array[${list(elements)}]::text[] collate "C" as key,
      sum(direct) as direct, sum(shared) as shared, sum(adjustment) as adjustment
    from allocated
    ${inUsd}
    group by 1
  )`;
}

/** The name of a workspace. Organizations may have workspaces of the same id: without a connection, the last one listed gives it. */
function workspaceName(id: SQL, connection: SQL | null): SQL {
  const ofConnection = connection === null ? sql`` : sql`and n.connection_id::text = ${connection}`;
  return sql`(
    select n.name from workspace_names n where n.id = ${id} ${ofConnection}
    order by n.read_at desc, n.connection_id limit 1
  )`;
}

function rowsFrom(groupBy: readonly CenterGroup[], table: SQL): SQL {
  const element = (group: Group): SQL | null => {
    const index = groupBy.indexOf(group);
    return index < 0 ? null : sql`p.key[${index + 1}::int]`;
  };
  const [workspace, connection] = [element('workspace'), element('connection')];
  return sql`
    select to_jsonb(p.key) as key, ${workspace === null ? sql`null::text` : workspaceName(workspace, connection)} as "workspaceName",
      ${connection === null ? sql`null::text` : sql`(select n.name from connection_names n where n.id::text = ${connection})`} as "connectionName",
      ${text(sql`p.direct`)} as direct, ${text(sql`p.shared`)} as shared, ${text(sql`p.adjustment`)} as adjustment,
      ${text(sql`p.direct + p.shared + p.adjustment`)} as amount
    from ${table} p
    order by p.key
  `;
}

function pageOf({ after, limit }: { after: GroupKey | null; limit: number | null }): SQL {
  const isAfter = after === null ? sql`` : sql`where key > ${textArray(after)} collate "C"`;
  return sql`page as (select * from keyed ${isAfter} order by key ${limit === null ? sql`` : sql`limit ${limit}`})`;
}

/** A page of the rows of a month, by key; `after` is the key of the last row seen. Must run in a snapshot. */
export async function readCharged(
  tx: Db,
  source: Source,
  page: { groupBy: readonly CenterGroup[]; after: GroupKey | null; limit: number | null },
): Promise<ChargedRow[]> {
  const { groupBy } = page;
  const parts = [...allocatedParts(source, groupsOf(groupBy)), keyed(groupBy), pageOf(page)];
  return rows(tx, chargedRow, sql`with ${list(parts)} ${rowsFrom(groupBy, sql`page`)}`);
}

/** A month as people look at it: a page of its rows, what belongs to all of them, and what belongs to nobody. */
export interface ChargedMonth {
  readonly rows: readonly ChargedRow[];
  readonly totals: ChargedTotals;
  readonly largest: readonly UnallocatedGroup[];
}

/**
 * A page as {@link readCharged} gives it, with what belongs to all rows and the largest groups that belong to nobody. One
 * statement, since adding up the lines takes nearly all of the time. Must run in a snapshot.
 */
export async function readChargedMonth(
  tx: Db,
  source: Source,
  page: { groupBy: readonly CenterGroup[]; after: GroupKey | null; limit: number },
): Promise<ChargedMonth> {
  const { groupBy } = page;
  const groups = groupsOf(groupBy);
  const all = [...new Set([...groups, ...LARGEST_BY])];
  const [keys, allKeys] = [groups, all].map((own) => own.map((_, index) => keyColumn(index)));
  const found = await row(
    tx,
    z.object({ rows: z.array(chargedRow), totals: totalsSchema, largest: z.array(unallocatedGroup) }),
    sql`
      with ${list([
        ...source.parts(all),
        sql`finest as materialized (${addedUpBy(allKeys ?? [], sql`targeted`)})`,
        sql`added as materialized (${addedUpBy(keys ?? [], sql`finest`)})`,
        sql`allocated as (${givenTo(keys ?? [], sql`added`)})`,
        sql`added_whole as materialized (${addedUpBy([], sql`added`)})`,
        sql`whole as materialized (${givenTo([], sql`added_whole`)})`,
        sql`of_nobody as (${givenTo(allKeys ?? [], sql`finest`, 'nobody')})`,
        keyed(groupBy),
        pageOf(page),
      ])}
      select
        (select coalesce(jsonb_agg(to_jsonb(r)), '[]') from (${rowsFrom(groupBy, sql`page`)}) r) as rows,
        (select to_jsonb(t) from (${totalsFrom(sql`whole`)}) t) as totals,
        (select coalesce(jsonb_agg(to_jsonb(u)), '[]') from (${largestFrom(sql`of_nobody`, all)}) u) as largest
    `,
  );
  return found;
}

/** Every row of a month, by key, in batches. Must run in a snapshot. */
export function eachCharged(
  tx: Db,
  source: Source,
  groupBy: readonly CenterGroup[],
): AsyncGenerator<readonly ChargedRow[]> {
  const parts = [...allocatedParts(source, groupsOf(groupBy)), keyed(groupBy)];
  return eachRow(tx, chargedRow, sql`with ${list(parts)} ${rowsFrom(groupBy, sql`keyed`)}`);
}

/** What belongs to all rows of a month. Must run in a snapshot. */
export async function readChargedTotals(tx: Db, source: Source): Promise<ChargedTotals> {
  return row(tx, totalsSchema, sql`with ${list(allocatedParts(source, []))} ${totalsFrom(sql`allocated`)}`);
}

function totalsFrom(table: SQL): SQL {
  const inUsd = (sum: SQL, where = sql`true`): SQL =>
    sql`(select coalesce(sum(${sum}), 0) from ${table} where currency = 'USD' and ${where})`;
  const percent = quotient(
    sql`100 * (total + adjustment - unallocated) * sign(total + adjustment)`,
    sql`abs(total + adjustment)`,
  );
  return sql`
    select ${text(sql`total`)} as total, ${text(sql`adjustment`)} as "totalAdjustment",
      ${text(sql`unallocated`)} as unallocated, ${text(percent)} as "allocatedPercent",
      (
        select coalesce(jsonb_agg(
          jsonb_build_object('currency', currency, 'amount', ${text(sql`amount`)}) order by currency collate "C"
        ), '[]')
        from (
          select currency, sum(direct + shared + adjustment) as amount from ${table}
          where currency <> 'USD' group by currency
        ) by_currency
      ) as "otherCurrencies"
    from (
      select ${inUsd(sql`direct + shared`)} as total, ${inUsd(sql`adjustment`)} as adjustment,
        ${inUsd(sql`direct + shared + adjustment`, sql`center is null`)} as unallocated
    ) sums
  `;
}

const LARGEST = 10;
const LARGEST_BY: readonly Group[] = ['workspace', 'model', 'cost_type'];

/** The largest groups of a table of what belongs to nobody, in US dollars. */
function largestFrom(table: SQL, groups: readonly Group[]): SQL {
  const keys = LARGEST_BY.map((group) => keyColumn(groups.indexOf(group)));
  const [workspace = sql`null`, model = sql`null`, costType = sql`null`] = keys;
  return sql`
    select workspace, ${workspaceName(sql`workspace`, null)} as "workspaceName", model, "costType", pool,
      ${text(sql`amount`)} as amount
    from (
      select ${workspace} as workspace, ${model} as model, ${costType} as "costType", pool,
        sum(direct + shared + adjustment) as amount
      from ${table}
      where currency = 'USD'
      group by 1, 2, 3, 4
    ) left_over
    where amount <> 0
    order by abs(left_over.amount) desc, array[workspace, model, "costType", pool] collate "C"
    limit ${LARGEST}
  `;
}
