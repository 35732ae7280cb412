import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { compileChanges, explainChanges, type Change, type ChangeRow } from '../../db/spend/changes.ts';
import { readRows, readTotals } from '../../db/spend/rows.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import { headerText } from '../http/csv.ts';
import {
  COMPARED_FILE_HEADERS,
  FILE_HEADERS,
  OTHER_CURRENCIES_HEADER,
  inFile,
  groupColumns,
  groupFields,
  pageOf,
  reportFields,
  withOneMore,
  writeCsv,
  type Column,
} from './documents.ts';
import { CHANGES, changesQuery } from './parameters.ts';
import { csvQueryOf, spendQueryOf } from './request.ts';
import { changes as changesOut } from './schemas.ts';

const changes = endpoint({
  method: 'get',
  path: '/v1/costs/changes',
  tag: 'Costs and usage',
  operation: 'getCostChanges',
  summary: `Explains why costs changed between two ranges: the last ${DEFAULT_DAYS} days, or up to ${MAX_QUERY_DAYS}, and an earlier one`,
  description: [
    'Amounts are exact decimals in USD; other currencies are listed apart. In each row, `volume`, `mix`, `price` and `unmatched` add up to `change`.',
    'A row consists of cells: connection, workspace, model, token type, context window, service tier and geography. With C for cost and q for tokens of a cell, and 0 for before and 1 for after:',
    '- `price` is the sum of C1 − C0·q1/q0 over the cells that have tokens in both ranges, each rounded to 12 decimals;',
    '- `unmatched` is the change of costs without tokens;',
    '- `volume` is C0·(Q1/Q0 − 1), rounded to 12 decimals, for the costs and the tokens of all cells of the row that have tokens;',
    '- `mix` is the rest: tokens that moved between cells, new cells, and cells that are gone.',
    'The total is the sum of the rows. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.',
  ].join('\n'),
  query: changesQuery,
  takesTags: true,
  body: nothing,
  out: changesOut,
  statuses: { 200: 'A page of rows, with the total of all rows.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request, tags }, deps) => {
    const query = await spendQueryOf(deps, CHANGES, request, tags);
    const { data, totals, other } = await explainChanges(deps.db, withOneMore(query));
    const { page, next } = pageOf(CHANGES, query, data);
    const { compare, ...fields } = reportFields(query, totals);
    if (compare === undefined) throw new Error('A query of changes compares');
    return {
      status: 200,
      body: {
        ...fields,
        compare,
        data: page.map((row) => ({ ...groupFields(query, row), ...changeFields(row) })),
        ...(other === null ? {} : { other: { rows: other.rows, ...changeFields(other) } }),
        total: changeFields(totals.total),
        other_currencies: [...totals.otherCurrencies],
        next,
      },
    };
  },
  csv: {
    headers: {
      ...FILE_HEADERS,
      ...COMPARED_FILE_HEADERS,
      ...OTHER_CURRENCIES_HEADER,
      'Meterline-Total': inFile('`total` as JSON'),
    },
    format: ({ format }) => format,
    write: async ({ query: request, tags }, deps, reply) => {
      const query = await csvQueryOf(deps, CHANGES, request, tags);
      const compiled = compileChanges(query);
      const totals = await readTotals(deps.tx, compiled);
      await writeCsv(reply, {
        name: 'changes',
        query,
        certainty: totals,
        totals: totalHeaders(totals.total, totals.otherCurrencies),
        columns: [...groupColumns(query), ...CHANGE_COLUMNS],
        rows: readRows(deps.tx, compiled),
      });
    },
  },
});

const PARTS = ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'] as const;
const CHANGE_COLUMNS = PARTS.map((name): Column<ChangeRow> => ({ name, isNumber: true, of: (row) => row[name] }));

function changeFields({ before, after, change, volume, mix, price, unmatched }: Change): Change {
  return { before, after, change, volume, mix, price, unmatched };
}

function totalHeaders(total: Change, otherCurrencies: readonly unknown[]): Record<string, string> {
  return {
    'Meterline-Total': headerText(changeFields(total)),
    ...(otherCurrencies.length === 0 ? {} : { 'Meterline-Other-Currencies': headerText(otherCurrencies) }),
  };
}

export const changeRoutes = [changes];
