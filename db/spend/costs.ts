import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Decimal } from '../../domain/money.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { certainty, certaintyFields, type Certainty } from './completeness.ts';
import { WORKSPACES_NOW, groupRowFields, type GroupRow } from './groups.ts';
import { CURRENCY, addedUp, costLinesFor, keyed, sumNames, sumsOf } from './lines.ts';
import type { Compiled, Page } from './rows.ts';
import { asked, dayParts } from './scope.ts';
import { readPageByDays } from './stretches.ts';

/** An exact amount in major units, and the one of the earlier range in a comparison. */
export interface Cost {
  readonly amount: Decimal;
  /** Null if the query compares with nothing. */
  readonly before: Decimal | null;
}

/** A row of costs. In US dollars, unless the rows are grouped by currency. */
export type CostRow = GroupRow & Cost;

/** What belongs to all rows of costs, whatever the page. */
export interface CostTotals extends Certainty {
  /** In US dollars. */
  readonly total: Cost;
  /** What was charged in another currency. It is never added to US dollars. */
  readonly otherCurrencies: readonly (Cost & { readonly currency: string })[];
}

/** The rows that are not on the page: how many they are, and their US dollars. */
export type OtherCosts = Cost & { readonly rows: number };

const cost = { amount: decimalText, before: decimalText.nullable() };
const MEASURES = ['amount'];

/** Adds up costs. */
export function sumCosts(db: Db, query: SpendQuery): Promise<Page<CostRow, CostTotals, OtherCosts>> {
  return readPageByDays(db, compileCosts, query, 'cost', z.object({ rows: z.int(), ...cost }));
}

/** Compiles a query of costs. */
export function compileCosts(query: SpendQuery): Compiled<CostRow, CostTotals> {
  const names = sumNames(query, MEASURES);
  const inUsd = sql`coalesce(sum(amount) filter (where currency = 'USD'), 0)`;
  const inUsdBefore = sql`coalesce(sum(amount_before) filter (where currency = 'USD'), 0)`;
  const bothOf = (table: string, now: SQL, before: SQL): SQL =>
    jsonOfCost(query, sql`(select ${now} from ${sql.raw(table)})`, sql`(select ${before} from ${sql.raw(table)})`);
  const left = (sum: SQL): SQL => sql`(select ${sum} from grouped) - (select ${sum} from page)`;
  return {
    query,
    parts: [
      asked(query),
      WORKSPACES_NOW,
      ...dayParts(query, ['cost']),
      sql`grouped as materialized (${addedUp(query, costLinesFor(query), MEASURES, [CURRENCY])})`,
      keyed(query, names, [CURRENCY.name], ofCurrency(query)),
    ],
    joins: sql``,
    fields: jsonFieldsOfCost(query, sql`coalesce(p.amount, 0)`, sql`coalesce(p.amount_before, 0)`),
    order: query.order === 'key' ? sql`p.key` : sql`coalesce(p.amount, 0) desc, p.key`,
    row: z.object({ ...groupRowFields, ...cost }),
    totals: sql`jsonb_build_object(
      'total', ${bothOf('grouped', inUsd, inUsdBefore)},
      'otherCurrencies', (
        select coalesce(jsonb_agg(
          jsonb_build_object('currency', currency)
            || ${jsonOfCost(query, sql`coalesce(amount, 0)`, sql`coalesce(amount_before, 0)`)}
          order by currency collate "C"
        ), '[]')
        from (select currency, ${sumsOf(names)} from grouped where currency <> 'USD' group by currency) by_currency
      )
    ) || ${certainty(query, ['cost'])}`,
    totalsSchema: z.object({
      total: z.object(cost),
      otherCurrencies: z.array(z.object({ currency: z.string(), ...cost })),
      ...certaintyFields,
    }),
    other: sql`
      jsonb_build_object('rows', (select count(*) from keyed) - (select count(*) from page)) || ${jsonOfCost(query, left(inUsd), left(inUsdBefore))}
    `,
  };
}

/** Which currencies have rows: all of them only if the rows say which. */
export function ofCurrency({ groupBy }: SpendQuery): SQL {
  return groupBy.includes('currency') ? sql`` : sql`where currency = 'USD'`;
}

function jsonOfCost(query: SpendQuery, amount: SQL, before: SQL): SQL {
  return sql`jsonb_build_object(${jsonFieldsOfCost(query, amount, before)})`;
}

function jsonFieldsOfCost({ comparison }: SpendQuery, amount: SQL, before: SQL): SQL {
  const text = (decimal: SQL): SQL => sql`trim_scale(${decimal})::text`;
  return sql`'amount', ${text(amount)}, 'before', ${comparison === null ? sql`null::text` : text(before)}`;
}
