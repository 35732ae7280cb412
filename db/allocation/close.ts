import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { needsTokens } from '../../domain/allocation/document.ts';
import type { PoolShares } from '../../domain/allocation/shares.ts';
import type { Day } from '../../domain/days.ts';
import { COST_DIMENSIONS, REPORTS, type Report } from '../../domain/lines.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { firstDayOf, nextMonth, type Month } from '../../domain/months.ts';
import { list, numberArray, row, rows, textArray, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { readCompleteness, type Completeness } from '../spend/completeness.ts';
import { readCoverage } from '../spend/coverage.ts';
import { WORKSPACES_NOW } from '../spend/groups.ts';
import { giveRoom } from '../spend/rows.ts';
import { asked, dayParts } from '../spend/scope.ts';
import { CHANGED_DAYS, correctedStatements, correctionParts } from './corrections.ts';
import { firstMonth, firstStatementMonth } from './first-month.ts';
import { monthQuery } from './source.ts';
import { hashOfStatement } from './statement-hash.ts';
import { findStatement, type Statement } from './statements.ts';
import { usedSeries } from './used-series.ts';
import { allocationOf, lastClosedMonth, lockMonths, type AllocationVersion } from './versions.ts';
import { weighBy, type Given } from './weights.ts';

/** A day for which a month is not closed. */
export interface Blocker {
  readonly day: Day;
  readonly state: 'missing' | 'uncovered' | 'provisional';
  /** Whether the lines differ from the total that Anthropic reports. */
  readonly flagged: boolean;
}

/** Why a month is not closed. */
export type CloseRefusal =
  | { readonly why: 'not_over' }
  | { readonly why: 'closed' }
  /** No connection reaches back to the month. */
  | { readonly why: 'before_first'; readonly first: Month | null }
  | { readonly why: 'out_of_order'; readonly next: Month }
  | { readonly why: 'uncertain'; readonly days: readonly Blocker[] };

/** A month is not closed. */
export class CloseError extends Error {
  override readonly name = 'CloseError';
  constructor(readonly refusal: CloseRefusal) {
    super(refusal.why);
  }
}

/** What somebody says who closes a month. */
export interface Closing {
  readonly month: Month;
  readonly today: Day;
  readonly actor: string;
  /** Why it is closed although days are not certain; null refuses that. */
  readonly override: string | null;
  readonly invoiceAmount: Decimal | null;
}

/** Why a month cannot be closed now; null if it can. Must run in a snapshot. */
export async function closeRefusal(tx: Db, month: Month, today: Day): Promise<CloseRefusal | null> {
  const order = await orderRefusal(tx, month, today);
  if (order !== null) return order;
  const found = await allocationOf(tx, month);
  const days = blockersOf(await readCoverage(tx, monthQuery(month, today), reportsOf(found)));
  return days.length === 0 ? null : { why: 'uncertain', days };
}

async function orderRefusal(tx: Db, month: Month, today: Day): Promise<CloseRefusal | null> {
  if (firstDayOf(nextMonth(month)) > today) return { why: 'not_over' };
  if ((await findStatement(tx, month, null)) !== null) return { why: 'closed' };
  const next = await nextToClose(tx, month, today);
  if (next === null) return { why: 'before_first', first: await firstMonth(tx, today) };
  return month === next ? null : { why: 'out_of_order', next };
}

/**
 * The month that is closed next: the one after the last closed one, or the first one that was ever closed if all of them are
 * open again. If none ever was, the first one that is covered from its first day, up to `month`: where connections began
 * within a month, it need not be closed. Null if `month` lies before all costs.
 */
async function nextToClose(tx: Db, month: Month, today: Day): Promise<Month | null> {
  const last = await lastClosedMonth(tx);
  if (last !== null) return nextMonth(last);
  const reopened = await firstStatementMonth(tx);
  if (reopened !== null) return reopened;
  const first = await firstMonth(tx, today);
  if (first === null || month < first) return null;
  for (let earlier = first; earlier < month; earlier = nextMonth(earlier)) {
    const { uncoveredDays } = await readCompleteness(tx, monthQuery(earlier, today));
    if (uncoveredDays === 0) return earlier;
  }
  return month;
}

/** The reports that a month needs: where pools are shared by tokens, usage as well. */
export function reportsOf(found: Pick<AllocationVersion, 'allocation'> | null): readonly Report[] {
  return found !== null && needsTokens(found.allocation) ? REPORTS : ['cost'];
}

function blockersOf({ days }: Awaited<ReturnType<typeof readCoverage>>): Blocker[] {
  return days.flatMap(({ day, state, flagged }) => (state === 'final' ? [] : [{ day, state, flagged }]));
}

/**
 * Closes a month in one transaction: its lines with where they go, the corrections of earlier months that it carries, and
 * what its replies need, so that they never read anything else. Throws {@link CloseError}. Of two people who close a month
 * at once, the second one is told that it is closed.
 */
export async function closeMonth(db: Db, closing: Closing): Promise<Statement> {
  const { month, today, override } = closing;
  return db.transaction(
    async (tx) => {
      await lockMonths(tx);
      await giveRoom(tx);
      // Of a large organization, copying takes longer than any other statement may.
      await tx.execute(sql`set local statement_timeout = '600s'`);
      const order = await orderRefusal(tx, month, today);
      if (order !== null) throw new CloseError(order);
      const found = await allocationOf(tx, month);
      const coverage = await readCoverage(tx, monthQuery(month, today), reportsOf(found));
      const days = blockersOf(coverage);
      if (days.length > 0 && override === null) throw new CloseError({ why: 'uncertain', days });
      const { number } = await row(
        tx,
        z.object({ number: z.int() }),
        sql`select coalesce(max(statement_no), 0) + 1 as number from statements`,
      );
      await copyLines(tx, number, closing, found);
      await copyCorrections(tx, number);
      await planForManyRows(tx);
      const { given, ...sums } = await addUp(tx, number);
      const { shares } = await weighBy(tx, month, today, found?.allocation ?? null, given);
      await copyContext(tx, number, closing, shares);
      const context = { ...coverage, override: days.length === 0 ? null : override };
      await insertStatement(tx, number, closing, found, { ...context, ...sums });
      await bringUpToDate(tx, number);
      return told(tx, closing);
    },
    { isolationLevel: 'repeatable read' },
  );
}

/**
 * Makes a transaction join lines of statements as what they are: many. Nobody has counted the rows of a new statement, up to a
 * minute after its end, so Postgres takes them for a few, and would look up each line's series on its own. The role of the
 * API may not have the right to count them.
 */
export async function planForManyRows(tx: Db): Promise<void> {
  await tx.execute(sql`set local enable_nestloop = off`);
  await tx.execute(sql`set local cursor_tuple_fraction = 1`);
}

const DIMENSIONS = list(COST_DIMENSIONS.map((name) => sql.raw(name)));

/** Copies what the lines of the month are about, with where the rules give them, and then the lines. */
async function copyLines(
  tx: Db,
  number: number,
  { month, today }: Closing,
  found: AllocationVersion | null,
): Promise<void> {
  const query = monthQuery(month, today);
  const rules = found?.allocation.rules ?? [];
  await tx.execute(sql`
    with ${list([asked(query), WORKSPACES_NOW, ...dayParts(query, ['cost']), usedSeries(rules)])}
    insert into statement_series (
      statement_no, series_no, rules_of, organization, connection_id, series_id, ${DIMENSIONS}, rule, center, pool
    )
    select ${number}::int, s.series_no, ${number}::int, s.organization, s.connection_id, s.series_id,
      ${list(COST_DIMENSIONS.map((name) => sql.raw(`s.${name}`)))}, s.rule, s.center, s.pool
    from series s
    order by s.series_no
  `);
  await tx.execute(sql`
    with ${list([asked(query), ...dayParts(query, ['cost'])])}
    insert into statement_lines (statement_no, day, series_no, amount)
    select ${number}::int, d.day, l.series_no, l.amount
    from cost_days d join cost_lines l on l.day_no = d.day_no
    order by d.day, l.series_no
  `);
}

/** Copies the corrections of earlier statements. */
async function copyCorrections(tx: Db, number: number): Promise<void> {
  const corrected = await correctedStatements(tx);
  if (corrected.length === 0) return;
  const about = sql`rules_of, organization, connection_id, series_id, ${DIMENSIONS}, rule, center, pool`;
  await tx.execute(sql`
    with ${list(correctionParts(corrected))},
    numbered as materialized (select *, -dense_rank() over (order by ${about})::int as series_no from corrections),
    described as (
      insert into statement_series (statement_no, series_no, ${about})
      select distinct ${number}::int, series_no, ${about} from numbered
    )
    insert into statement_lines (statement_no, day, series_no, amount)
    select ${number}::int, day, series_no, amount from numbered
  `);
}

/** What the lines of a statement add up to. */
interface Sums {
  /** In US dollars: the bill of the month, and the corrections of earlier ones. */
  readonly total: Decimal;
  readonly adjustment: Decimal;
  readonly lines: number;
}

/** Adds up the lines of a statement once, also by what the rules give of the month in US dollars. */
async function addUp(tx: Db, number: number): Promise<Sums & { readonly given: readonly Given[] }> {
  const sums = await rows(
    tx,
    z.object({
      isOwn: z.boolean(),
      center: z.string().nullable(),
      pool: z.string().nullable(),
      amount: decimalText.nullable(),
      lines: z.int(),
    }),
    sql`
      select s.rules_of = ${number} as "isOwn", s.center, s.pool, count(*)::int as lines,
        trim_scale(sum(l.amount) filter (where s.currency = 'USD'))::text as amount
      from statement_lines l join statement_series s using (statement_no, series_no)
      where statement_no = ${number}
      group by 1, 2, 3
    `,
  );
  const inUsd = sums.flatMap(({ amount, ...rest }) => (amount === null ? [] : [{ ...rest, amount }]));
  const own = inUsd.filter(({ isOwn }) => isOwn);
  const corrections = inUsd.filter(({ isOwn }) => !isOwn);
  return {
    total: addDecimals(own.map(({ amount }) => amount)),
    adjustment: addDecimals(corrections.map(({ amount }) => amount)),
    lines: sums.reduce((sum, { lines }) => sum + lines, 0),
    given: own,
  };
}

async function insertStatement(
  tx: Db,
  number: number,
  { month, actor, invoiceAmount }: Closing,
  found: AllocationVersion | null,
  context: Completeness & Sums & { readonly override: string | null },
): Promise<void> {
  const { provisionalDays, missingDays, uncoveredDays, override, total, adjustment, lines } = context;
  const hash = await hashOfStatement(tx, number, found?.version ?? null);
  await tx.execute(sql`
    insert into statements (
      statement_no, month, revision, state, version, total, total_adjustment, lines, provisional_days, missing_days,
      uncovered_days, hash, invoice_amount, override, closed_by
    )
    select ${number}::int, ${firstDayOf(month)}::date, coalesce(max(revision), 0) + 1, 'closed', ${found?.version ?? null}::int,
      ${total}::numeric, ${adjustment}::numeric, ${lines}::int, ${provisionalDays}::int, ${missingDays}::int,
      ${uncoveredDays}::int, ${hash}::bytea, ${invoiceAmount}::numeric, ${override}::text, ${actor}
    from statements where month = ${firstDayOf(month)}
  `);
}

/** Copies what the replies of the month need beside its lines. */
async function copyContext(
  tx: Db,
  number: number,
  { month, today }: Closing,
  shares: readonly PoolShares[],
): Promise<void> {
  const query = monthQuery(month, today);
  const fractions = shares.flatMap(({ pool, centers, unallocated }) =>
    [...centers, [null, unallocated] as const]
      .filter(([, fraction]) => fraction !== ZERO)
      .map(([center, fraction]) => ({ pool, center, fraction })),
  );
  await tx.execute(sql`
    with ${list([asked(query), WORKSPACES_NOW, ...dayParts(query, ['cost'])])},
    of_pools as (
      insert into statement_shares (statement_no, pool, center, fraction)
      select ${number}::int, pool, center, fraction
      from unnest(
        ${textArray(fractions.map(({ pool }) => pool))},
        ${textArray(fractions.map(({ center }) => center))},
        ${numberArray(
          'numeric',
          fractions.map(({ fraction }) => fraction),
        )}
      ) as given(pool, center, fraction)
    ),
    of_workspaces as (
      insert into statement_workspaces (statement_no, organization, workspace_id, name, tags, read_at)
      select distinct on (a.organization, w.workspace_id) ${number}::int, a.organization, w.workspace_id, w.name,
        coalesce(w.tags, '{}'), w.read_at
      from workspaces_now w join asked a on a.id = w.connection_id
      order by a.organization, w.workspace_id, w.read_at desc, w.listed_by
    ),
    of_connections as (
      insert into statement_connections (statement_no, connection_id, organization, name)
      select ${number}::int, id, organization, name from asked
    )
    insert into statement_days (statement_no, organization, day, digest)
    select ${number}::int, d.organization, d.day, own.digest
    from cost_days d join days own on own.day_no = d.day_no
  `);
}

/** Remembers which days of earlier statements the corrections bring up to date. */
async function bringUpToDate(tx: Db, number: number): Promise<void> {
  await tx.execute(sql`
    insert into statement_days (statement_no, organization, day, digest)
    select ${number}::int, organization, day, digest from (${CHANGED_DAYS}) changed
  `);
}

async function told(tx: Db, { month, actor }: Closing): Promise<Statement> {
  const made = await findStatement(tx, month, null);
  if (made === null) throw new Error(`The statement of ${month} is gone`);
  const why = made.override === null ? '' : `, although days are not certain: ${made.override}`;
  const message = `${month} is closed at $${made.total} (revision ${made.revision})${why}`;
  await addDeploymentEvent(tx, { type: 'month_closed', actor, message });
  return made;
}
