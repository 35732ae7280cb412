import { once } from 'node:events';
import postgres from 'postgres';
import { request } from 'undici';
import { addDays, type Day } from '../domain/days.ts';
import { COST_DIMENSIONS } from '../domain/lines.ts';

const COLUMNS = [...COST_DIMENSIONS, 'amount'] as const;

interface Page {
  readonly data: readonly { readonly results: readonly Readonly<Record<string, string | null>>[] }[];
}

/** What the floor took, in seconds. */
export interface Floor {
  readonly total: number;
  /** Waiting for pages. */
  readonly fetch: number;
  readonly parse: number;
  readonly lines: number;
  readonly bytes: number;
}

/**
 * The least that can be done with the same data: fetch each day, `JSON.parse` it, and one COPY of the wide rows into a
 * table without any index. No identity, no check, no replacing. With `inTurn`, the COPY begins once all is parsed, as a
 * plain loader does it; without, Postgres copies on one processor what the other one fetches and parses.
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
