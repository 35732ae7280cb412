import { z } from 'zod';
import { CloseError, closeMonth } from '../../db/allocation/close.ts';
import { firstMonth } from '../../db/allocation/first-month.ts';
import { eachCharged, readChargedMonth, readChargedTotals, type ChargedTotals } from '../../db/allocation/rows.ts';
import { ReopenError, listStatements, purgedDaysOf, reopenMonth } from '../../db/allocation/statements.ts';
import { inSnapshot } from '../../db/core/cursor.ts';
import type { Completeness } from '../../db/spend/completeness.ts';
import { monthOf, previousMonth, type Month } from '../../domain/months.ts';
import { todayOf } from '../connections/lookups.ts';
import { headerText } from '../http/csv.ts';
import { cursorOfAnotherQuery, decodeCursor, encodeCursor, positionText, queryDigest } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, invalid } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { daysOf, inFile } from '../spend/documents.ts';
import { connectionsOf } from '../spend/request.ts';
import {
  closableDocument,
  reopenedFacts,
  rowColumns,
  rowDocument,
  sentenceOf,
  statementDocument,
  statementFacts,
  unallocatedDocument,
} from './documents.ts';
import type { reopenable } from './schemas.ts';
import { journalRoute } from './journal.ts';
import { linesRoute } from './lines.ts';
import { completenessOf, findMonth, monthOfPath, refusalOf, sourceOf, versionOf, type MonthRequest } from './month.ts';
import {
  chargeback as chargebackOut,
  chargebackQuery,
  closing,
  months as monthsOut,
  reopening,
  statementOut,
} from './schemas.ts';

const tag = 'Chargeback';

const list = endpoint({
  method: 'get',
  path: '/v1/chargeback',
  tag,
  operation: 'listChargebackMonths',
  summary: 'Lists every month that has costs, with its statements',
  query: nothing,
  body: nothing,
  out: monthsOut,
  statuses: { 200: 'The months, the latest first.' },
  problems: [],
  handle: async (_call, deps) => {
    const today = todayOf(deps);
    const { first, statements, last, purgedDays } = await inSnapshot(deps.db, async (tx) => {
      const statements = await listStatements(tx, null);
      const last = statements.find(({ state }) => state === 'closed')?.month ?? null;
      const purgedDays = last === null ? 0 : await purgedDaysOf(tx, last);
      return { first: await firstMonth(tx, today), statements, last, purgedDays };
    });
    const months: Month[] = [];
    for (let month = monthOf(today); first !== null && month >= first; month = previousMonth(month)) months.push(month);
    const data = months.map((month) => {
      const own = statements.filter((statement) => statement.month === month);
      const isClosed = own.some(({ state }) => state === 'closed');
      return {
        month,
        state: isClosed ? ('closed' as const) : ('open' as const),
        reopenable: isClosed ? reopenableDocument(month, { last, purgedDays }) : null,
        statements: own.map(statementDocument),
      };
    });
    return { status: 200, body: { data } };
  },
});

const position = z.strictObject({ query: z.string(), key: z.array(positionText.nullable()) });

function digestOf({ month, revision, connections }: MonthRequest, groupBy: readonly string[]): string {
  return queryDigest(['chargeback', month, revision, connections, groupBy]);
}

/** The place of the last row seen. Throws `conflict` for the cursor of another query. */
function keyIn(after: string | undefined, request: MonthRequest, groupBy: readonly string[]): (string | null)[] | null {
  if (after === undefined) return null;
  const { query, key } = decodeCursor(after, position);
  if (query === digestOf(request, groupBy) && key.length === groupBy.length) return key;
  throw cursorOfAnotherQuery();
}

/** What a request is about. */
async function requestOf(
  deps: Deps,
  month: string,
  query: { readonly revision?: number | undefined; readonly connection_id?: readonly string[] | undefined },
): Promise<MonthRequest> {
  return {
    month: monthOfPath(month),
    revision: query.revision ?? null,
    connections: await connectionsOf(deps, query.connection_id),
    today: todayOf(deps),
  };
}

const get = endpoint({
  method: 'get',
  path: '/v1/chargeback/:month',
  tag,
  operation: 'getChargeback',
  summary: 'Shows what each cost center owes for a month',
  description:
    'Amounts are exact: over all rows they add up to `total` + `total_adjustment`, whatever the groups. The month after the last closed one carries corrections of closed months as `adjustment`. A closed month reads nothing but its statement, so its reply never changes.',
  query: chargebackQuery,
  body: nothing,
  out: chargebackOut,
  statuses: { 200: 'A page of rows, with the totals of the month.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ month, query }, deps) => {
    const request = await requestOf(deps, month, query);
    const { group_by: groupBy, limit } = query;
    const after = keyIn(query.after, request, groupBy);
    const read = await inSnapshot(deps.db, async (tx) => {
      const shown = await findMonth(tx, request);
      const source = sourceOf(shown, request.connections);
      return {
        shown,
        ...(await readChargedMonth(tx, source, { groupBy, after, limit: limit + 1 })),
        days: await completenessOf(tx, shown, request),
        refusal: await refusalOf(tx, shown, request),
      };
    });
    const { shown, rows, totals, days, refusal } = read;
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      status: 200,
      body: {
        month: request.month,
        state: shown.state,
        revision: shown.statement?.revision ?? null,
        version: versionOf(shown),
        group_by: [...groupBy],
        data: page.map((row) => rowDocument(groupBy, row)),
        unallocated: { amount: totals.unallocated, largest: read.largest.map(unallocatedDocument) },
        allocated_percent: totals.allocatedPercent,
        total: totals.total,
        total_adjustment: totals.totalAdjustment,
        other_currencies: [...totals.otherCurrencies],
        ...daysOf(days),
        statement: shown.statement === null ? null : statementFacts(shown.statement),
        reopened: shown.statement === null ? null : reopenedFacts(shown.statement),
        closable: shown.statement === null ? closableDocument(refusal) : null,
        next: last === undefined ? null : encodeCursor({ query: digestOf(request, groupBy), key: last.key }),
      },
    };
  },
  csv: {
    headers: {
      'Content-Disposition': inFile('The name of the file'),
      'Meterline-State': inFile('`state` of JSON'),
      'Meterline-Total': inFile('`total` of JSON'),
      'Meterline-Total-Adjustment': inFile('`total_adjustment` of JSON'),
      'Meterline-Unallocated': inFile('`unallocated.amount` of JSON'),
      'Meterline-Other-Currencies': inFile('`other_currencies` as JSON; absent if there are none'),
      'Meterline-Provisional-Days': inFile('`provisional_days` of JSON'),
      'Meterline-Missing-Days': inFile('`missing_days` of JSON'),
      'Meterline-Uncovered-Days': inFile('`uncovered_days` of JSON'),
    },
    format: ({ format }) => format,
    write: async ({ month, query }, deps, reply) => {
      if (query.after !== undefined) throw invalid('query.after', 'must be absent for CSV, which has all rows');
      const request = await requestOf(deps, month, query);
      const shown = await findMonth(deps.tx, request);
      const source = sourceOf(shown, request.connections);
      const totals = await readChargedTotals(deps.tx, source);
      const days = await completenessOf(deps.tx, shown, request);
      const columns = rowColumns(query.group_by);
      const takesRows = await reply.begin(
        `chargeback_${request.month}.csv`,
        { 'Meterline-State': shown.state, ...headersOf(totals, days) },
        columns,
      );
      if (!takesRows) return;
      for await (const rows of eachCharged(deps.tx, source, query.group_by)) {
        if (!reply.isOpen) return;
        await reply.rows(rows.map((row) => columns.map(({ of }) => of(row))));
      }
    },
  },
});

function headersOf(totals: ChargedTotals, days: Completeness): Record<string, string> {
  return {
    'Meterline-Total': totals.total,
    'Meterline-Total-Adjustment': totals.totalAdjustment,
    'Meterline-Unallocated': totals.unallocated,
    'Meterline-Provisional-Days': String(days.provisionalDays),
    'Meterline-Missing-Days': String(days.missingDays),
    'Meterline-Uncovered-Days': String(days.uncoveredDays),
    ...(totals.otherCurrencies.length === 0
      ? {}
      : { 'Meterline-Other-Currencies': headerText(totals.otherCurrencies) }),
  };
}

const close = endpoint({
  method: 'post',
  path: '/v1/chargeback/:month/close',
  tag,
  operation: 'closeMonth',
  summary: 'Closes a month: from then on it stays what it is',
  description:
    'Months are closed in their order. Days that are missing, uncovered or provisional refuse it, unless an `override` says why. What Anthropic corrects later becomes an adjustment of the next open month.',
  query: nothing,
  body: closing,
  out: statementOut,
  statuses: { 200: 'The statement.' },
  problems: ['conflict'],
  inTurn: true,
  handle: async ({ month, body, actor }, deps) => {
    const asked = {
      month: monthOfPath(month),
      override: body.override ?? null,
      invoiceAmount: body.invoice_amount ?? null,
    };
    const made = await closeMonth(deps.db, { ...asked, today: todayOf(deps), actor }).catch((error: unknown) => {
      if (!(error instanceof CloseError)) throw error;
      const { refusal } = error;
      throw new Problem('conflict', {
        detail: sentenceOf(refusal),
        ...(refusal.why === 'uncertain'
          ? {
              errors: refusal.days.map(({ day, state, flagged }) => ({
                path: `days.${day}`,
                message: flagged ? `is ${state} and flagged` : `is ${state}`,
              })),
            }
          : {}),
      });
    });
    deps.log.info({ month: made.month, revision: made.revision, actor }, 'a month is closed');
    return { status: 200, body: { month: made.month, ...statementDocument(made) } };
  },
});

const reopen = endpoint({
  method: 'post',
  path: '/v1/chargeback/:month/reopen',
  tag,
  operation: 'reopenMonth',
  summary: 'Opens the last closed month again; its statement stays as a revision',
  query: nothing,
  body: reopening,
  out: statementOut,
  statuses: { 200: 'The statement that no longer counts.' },
  problems: ['conflict'],
  handle: async ({ month, body, actor }, deps) => {
    const asked = monthOfPath(month);
    const kept = await reopenMonth(deps.db, asked, body.reason, actor).catch((error: unknown) => {
      if (!(error instanceof ReopenError)) throw error;
      throw new Problem('conflict', { detail: whyNotReopened(error) });
    });
    deps.log.info({ month: asked, revision: kept.revision, actor }, 'a month is reopened');
    return { status: 200, body: { month: kept.month, ...statementDocument(kept) } };
  },
});

/** Whether a closed month can be opened again; `purgedDays` are those of the last closed month. */
function reopenableDocument(
  month: Month,
  { last, purgedDays }: Pick<ReopenError, 'last' | 'purgedDays'>,
): z.input<typeof reopenable> {
  const refusal = { last, purgedDays: month === last ? purgedDays : 0 };
  const possible = month === last && purgedDays === 0;
  return { possible, why: possible ? null : whyNotReopened(refusal) };
}

function whyNotReopened({ last, purgedDays }: Pick<ReopenError, 'last' | 'purgedDays'>): string {
  if (last === null) return 'No month is closed.';
  if (purgedDays === 0) return `Only the last closed month can be reopened, and that is ${last}.`;
  const days = purgedDays === 1 ? 'a day' : `${purgedDays} days`;
  return `The statement of ${last} has ${days} whose data were purged, so the open month would lack them. The statement stays.`;
}

/** What each cost center owes. */
export const chargebackRoutes = [list, get, linesRoute, journalRoute, close, reopen];
