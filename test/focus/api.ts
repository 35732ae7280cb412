import { ADMIN_TOKEN, type Api } from '../api/support.ts';
import { readCsv, readParquet, type Cells, type ReadFile } from './files.ts';
import { scaled } from './rules.ts';

/** Exports a file in CSV. */
export async function csv(api: Api, query: string): Promise<ReadFile> {
  const { status, text } = await api.get(`/v1/exports/focus?${query}`);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return readCsv(text);
}

/** Exports a file in Parquet. */
export async function parquet(api: Api, query: string): Promise<ReadFile> {
  const reply = await fetch(`${api.url}/v1/exports/focus?${query}&format=parquet`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}`);
  return readParquet(await reply.arrayBuffer());
}

/** What /v1/costs says of each day and currency, as whole numbers of 10^-60. */
export async function ledgerSums(api: Api, query: string): Promise<Map<string, bigint>> {
  const { body } = await api.get(`/v1/costs?group_by=day,currency&limit=10000&${query}`);
  const sums = body.data.map((row): [string, bigint] => [`${row.day} ${String(row['currency'])}`, scaled(row.amount)]);
  return new Map(sums.filter(([, sum]) => sum !== 0n).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The day and the currency of a row. */
export const byDay = (row: Cells): string =>
  `${(row['ChargePeriodStart'] ?? '').slice(0, 10)} ${row['BillingCurrency'] ?? ''}`;
