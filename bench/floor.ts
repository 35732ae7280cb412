import { once } from 'node:events';
import postgres from 'postgres';
import { request } from 'undici';
import { addDays, type Day } from '../domain/days.ts';
import { COST_DIMENSIONS } from '../domain/lines.ts';

const COLUMNS = [...COST_DIMENSIONS, 'amount'] as const;

interface Page {
  readonly data: readonly { readonly results: readonly Readonly<Record<string, string | null>>[] }[];
}

/** The times of the floor, in seconds, and what it read. */
export interface Floor {
  readonly total: number;
  readonly fetch: number;
  readonly parse: number;
  readonly lines: number;
  readonly bytes: number;
}

/**
 * The least work that stores the same data: fetch each day, `JSON.parse` it, and COPY the wide rows into a table without
 * an index. It identifies, checks and replaces nothing. With `inTurn` the COPY starts after the last day is parsed, as in
 * a plain loader. Without it Postgres copies on one processor while the other one fetches and parses.
 */
export async function measureFloor(options: {
  upstream: string;
  key: string;
  databaseUrl: string;
  days: readonly Day[];
  inTurn: boolean;
}): Promise<Floor> {
  const sql = postgres(options.databaseUrl, { max: 1, onnotice: () => undefined });
  await sql.unsafe(
    `create table wide (day date, ${COLUMNS.map((name) => `${name} ${name === 'amount' ? 'numeric' : 'text'}`).join(', ')})`,
  );
  const took = { fetch: 0, parse: 0, lines: 0, bytes: 0 };
  const startedAt = performance.now();
  const copy = await sql.unsafe('copy wide from stdin').writable();
  const held: Buffer[] = [];
  for (const day of options.days) {
    const from = performance.now();
    const { body } = await request(urlOf(options.upstream, day), {
      headers: { 'x-api-key': options.key, 'anthropic-version': '2023-06-01', 'user-agent': 'Meterline-bench/1' },
    });
    const text = await body.text();
    const fetched = performance.now();
    // A check of its shape would be more than the least work.
    const page = JSON.parse(text) as Page;
    const parsed = performance.now();
    took.fetch += (fetched - from) / 1000;
    took.parse += (parsed - fetched) / 1000;
    took.bytes += text.length;
    let rows = '';
    for (const { results } of page.data) {
      took.lines += results.length;
      for (const row of results) {
        rows += day;
        for (const name of COLUMNS) rows += `\t${row[name] ?? '\\N'}`;
        rows += '\n';
      }
    }
    if (options.inTurn) held.push(Buffer.from(rows));
    else if (!copy.write(rows)) await once(copy, 'drain');
  }
  for (const rows of held) if (!copy.write(rows)) await once(copy, 'drain');
  copy.end();
  await once(copy, 'finish');
  const total = (performance.now() - startedAt) / 1000;
  await sql`drop table wide`;
  await sql.end();
  return { total, ...took };
}

/** The address of one day's cost lines. */
export function urlOf(upstream: string, day: Day): string {
  const query = new URLSearchParams([
    ['starting_at', `${day}T00:00:00Z`],
    ['ending_at', `${addDays(day, 1)}T00:00:00Z`],
    ['bucket_width', '1d'],
    ['limit', '1'],
    ['group_by[]', 'workspace_id'],
    ['group_by[]', 'description'],
  ]);
  return `${upstream}/v1/organizations/cost_report?${query.toString()}`;
}
