import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { STATEMENT_STATES, type StatementState } from '../../domain/allocation/statement.ts';
import type { Decimal } from '../../domain/money.ts';
import { firstDayOf, monthOf, type Month } from '../../domain/months.ts';
import { row, rows, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { lastClosedMonth, lockMonths } from './versions.ts';

/** A month as it was closed. */
export interface Statement {
  readonly statementNo: number;
  readonly month: Month;
  /** From 1 on; the higher one replaced the lower one. */
  readonly revision: number;
  readonly state: StatementState;
  /** The version of the document; null if there was none. */
  readonly version: number | null;
  readonly total: Decimal;
  readonly totalAdjustment: Decimal;
  readonly lines: number;
  readonly provisionalDays: number;
  readonly missingDays: number;
  readonly uncoveredDays: number;
  /** SHA-256 in hexadecimal digits. */
  readonly hash: string;
  readonly invoiceAmount: Decimal | null;
  readonly override: string | null;
  readonly closedBy: string;
  /** RFC 3339. */
  readonly closedAt: string;
  readonly reopenedBy: string | null;
  readonly reopenedAt: string | null;
  readonly reopenReason: string | null;
}

const statement = z
  .object({
    statementNo: z.int(),
    month: dayJson,
    revision: z.int(),
    state: z.enum(STATEMENT_STATES),
    version: z.int().nullable(),
    total: decimalText,
    totalAdjustment: decimalText,
    lines: z.int(),
    provisionalDays: z.int(),
    missingDays: z.int(),
    uncoveredDays: z.int(),
    hash: z.string(),
    invoiceAmount: decimalText.nullable(),
    override: z.string().nullable(),
    closedBy: z.string(),
    closedAt: z.string(),
    reopenedBy: z.string().nullable(),
    reopenedAt: z.string().nullable(),
    reopenReason: z.string().nullable(),
  })
  .transform(({ month, ...rest }): Statement => ({ ...rest, month: monthOf(month) }));

const INSTANT = sql.raw(`'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`);
const COLUMNS = sql`
  statement_no as "statementNo", month::text, revision, state, version, trim_scale(total)::text as total,
  trim_scale(total_adjustment)::text as "totalAdjustment", lines, provisional_days as "provisionalDays",
  missing_days as "missingDays", uncovered_days as "uncoveredDays", encode(hash, 'hex') as hash,
  trim_scale(invoice_amount)::text as "invoiceAmount", override, closed_by as "closedBy",
  to_char(closed_at at time zone 'UTC', ${INSTANT}) as "closedAt", reopened_by as "reopenedBy",
  to_char(reopened_at at time zone 'UTC', ${INSTANT}) as "reopenedAt", reopen_reason as "reopenReason"
`;

/** The statement of a closed month, or one of its revisions; null if there is none. */
export async function findStatement(db: Db, month: Month, revision: number | null): Promise<Statement | null> {
  const isIt = revision === null ? sql`state = 'closed'` : sql`revision = ${revision}`;
  const [found] = await rows(
    db,
    statement,
    sql`select ${COLUMNS} from statements where month = ${firstDayOf(month)} and ${isIt}`,
  );
  return found ?? null;
}

/** Every revision of every month, the latest month and revision first; `after` is the number of the last one seen. */
export async function listStatements(db: Db, month: Month | null): Promise<Statement[]> {
  const ofMonth = month === null ? sql`true` : sql`month = ${firstDayOf(month)}`;
  return rows(
    db,
    statement,
    sql`select ${COLUMNS} from statements where ${ofMonth} order by month desc, revision desc`,
  );
}

/** How many closed months have lines of a connection. */
export async function closedMonthsOf(db: Db, connectionId: string): Promise<number> {
  const { months } = await row(
    db,
    z.object({ months: z.int() }),
    sql`
      select count(*)::int as months from statements st
      where st.state = 'closed' and exists (
        select from statement_series s where s.statement_no = st.statement_no and s.connection_id = ${connectionId}
      )
    `,
  );
  return months;
}

/** Why a month is not reopened. */
export class ReopenError extends Error {
  override readonly name = 'ReopenError';
  /** `last` is the last closed month, null if no month is closed; `purgedDays` are days of its statement whose data were purged. */
  constructor(
    readonly last: Month | null,
    readonly purgedDays = 0,
  ) {
    super(last === null ? 'No month is closed' : `${last} is the last closed month`);
  }
}

/**
 * How many days of a closed month an organization has no more, since their data were purged; days of earlier months whose
 * corrections it carries count as well.
 */
export async function purgedDaysOf(tx: Db, month: Month): Promise<number> {
  const { days } = await row(
    tx,
    z.object({ days: z.int() }),
    sql`
      select count(distinct k.day)::int as days
      from statements st join statement_days k on k.statement_no = st.statement_no
      where st.month = ${firstDayOf(month)} and st.state = 'closed' and not exists (
        select from counted_days d
        where d.report = 'cost' and d.organization = k.organization and d.day = k.day
      )
    `,
  );
  return days;
}

/**
 * Opens the last closed month again. Its statement stays as a revision. Throws {@link ReopenError} for any other month, and
 * for one whose data were purged: nothing could make its sums again.
 */
export async function reopenMonth(db: Db, month: Month, reason: string, actor: string): Promise<Statement> {
  return db.transaction(async (tx) => {
    await lockMonths(tx);
    const last = await lastClosedMonth(tx);
    if (last !== month) throw new ReopenError(last);
    const purged = await purgedDaysOf(tx, month);
    if (purged > 0) throw new ReopenError(last, purged);
    const [reopened] = await rows(
      tx,
      statement,
      sql`
        update statements set state = 'reopened', reopened_by = ${actor}, reopened_at = now(), reopen_reason = ${reason}
        where month = ${firstDayOf(month)} and state = 'closed'
        returning ${COLUMNS}
      `,
    );
    if (reopened === undefined) throw new ReopenError(last);
    const message = `${month} is open again; revision ${reopened.revision} is kept. The reason: ${reason}`;
    await addDeploymentEvent(tx, { type: 'month_reopened', actor, message });
    return reopened;
  });
}
