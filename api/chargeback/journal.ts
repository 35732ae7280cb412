import type { z } from 'zod';
import { readCharged, type ChargedRow } from '../../db/allocation/rows.ts';
import { inSnapshot } from '../../db/core/cursor.ts';
import type { Db } from '../../db/core/database.ts';
import { counterOf, inCents } from '../../domain/allocation/journal.ts';
import { ZERO, addDecimals, isNegative, subtractDecimals, type Decimal } from '../../domain/money.ts';
import { todayOf } from '../connections/lookups.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { inFile, type Column } from '../spend/documents.ts';
import { connectionsOf } from '../spend/request.ts';
import { findMonth, monthOfPath, sourceOf, type ShownMonth } from './month.ts';
import { journal as journalOut, journalQuery } from './schemas.ts';

type Entry = z.input<typeof journalOut>['data'][number];

/** GET /v1/chargeback/{month}/journal. */
export const journalRoute = endpoint({
  method: 'get',
  path: '/v1/chargeback/:month/journal',
  tag: 'Chargeback',
  operation: 'getJournal',
  summary: 'Shows the month as journal entries in cents, which add up to zero',
  description:
    'Every entry is rounded down to a cent, and the cents that are left go to the largest remainders, so the entries add up to the bill in cents.',
  query: journalQuery,
  body: nothing,
  out: journalOut,
  statuses: { 200: 'Every entry.' },
  problems: ['not_found'],
  inTurn: true,
  handle: async ({ month, query }, deps) => {
    const { shown, entries } = await inSnapshot(deps.db, (tx) => journalOf(deps, tx, month, query));
    const total = addDecimals(entries.filter(({ entry }) => entry !== 'bill').map(({ exact }) => exact));
    return {
      status: 200,
      body: { month: shown.month, state: shown.state, data: entries.map(entryDocument), total: withCents(total) },
    };
  },
  csv: {
    headers: { 'Content-Disposition': inFile('The name of the file'), 'Meterline-State': inFile('`state` of JSON') },
    format: ({ format }) => format,
    write: async ({ month, query }, deps, reply) => {
      const { shown, entries } = await journalOf(deps, deps.tx, month, query);
      const rows = entries.map(entryDocument);
      await reply.begin(`journal_${shown.month}.csv`, { 'Meterline-State': shown.state }, COLUMNS);
      await reply.rows(rows.map((row) => COLUMNS.map(({ of }) => of(row))));
    },
  },
});

const COLUMNS: readonly Column<Entry>[] = [
  { name: 'entry', isNumber: false, of: ({ entry }) => entry },
  { name: 'cost_center', isNumber: false, of: ({ cost_center: center }) => center },
  { name: 'debit', isNumber: true, of: ({ debit }) => debit },
  { name: 'credit', isNumber: true, of: ({ credit }) => credit },
  { name: 'amount', isNumber: true, of: ({ amount }) => amount },
];

interface Booked {
  readonly entry: Entry['entry'];
  readonly center: string | null;
  readonly exact: Decimal;
}

async function journalOf(
  deps: Deps,
  tx: Db,
  month: string,
  query: z.output<typeof journalQuery>,
): Promise<{ shown: ShownMonth; entries: Booked[] }> {
  const connections = await connectionsOf(deps, query.connection_id);
  const request = { month: monthOfPath(month), revision: query.revision ?? null, connections, today: todayOf(deps) };
  const shown = await findMonth(tx, request);
  const rows = await readCharged(tx, sourceOf(shown, connections), {
    groupBy: ['cost_center'],
    after: null,
    limit: null,
  });
  return { shown, entries: entriesOf(rows) };
}

function entriesOf(rows: readonly ChargedRow[]): Booked[] {
  const exact = rows.flatMap(({ key: [center = null], direct, shared, adjustment }): Booked[] => [
    ...(addDecimals([direct, shared]) === ZERO && adjustment !== ZERO
      ? []
      : [{ entry: 'cost' as const, center, exact: addDecimals([direct, shared]) }]),
    ...(adjustment === ZERO ? [] : [{ entry: 'adjustment' as const, center, exact: adjustment }]),
  ]);
  const cents = inCents(
    exact.map(({ entry, center, exact: amount }) => ({ key: JSON.stringify([center, entry]), amount })),
  );
  const rounded = exact.map((entry, index) => ({ ...entry, exact: cents[index] ?? ZERO }));
  return [...rounded, { entry: 'bill', center: null, exact: counterOf(cents) }];
}

function entryDocument({ entry, center, exact }: Booked): Entry {
  const amount = withCents(exact);
  return {
    entry,
    cost_center: center,
    debit: isNegative(exact) ? null : amount,
    credit: isNegative(exact) ? withCents(subtractDecimals(ZERO, exact)) : null,
    amount,
  };
}

/** An amount of whole cents with both of its decimals. */
function withCents(amount: Decimal): string {
  const [whole = '0', cents = ''] = amount.split('.');
  return `${whole}.${cents.padEnd(2, '0')}`;
}
