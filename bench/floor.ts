import { once } from 'node:events';
import postgres from 'postgres';
import { request } from 'undici';
import { addDays, type Day } from '../domain/days.ts';
import { COST_DIMENSIONS } from '../domain/lines.ts';

const COLUMNS = [...COST_DIMENSIONS, 'amount'] as const;

type Row = Readonly<Record<string, string | null>>;

interface Page {
  readonly data: readonly { readonly results: readonly Row[] }[];
}

/** The times of the floor, in seconds, and what it read. */
export interface Floor {
  readonly total: number;
  readonly fetch: number;
  readonly parse: number;
  /** Processor time of this process. */
  readonly cpu: number;
  readonly lines: number;
  readonly bytes: number;
}

export interface FloorOptions {
  readonly upstream: string;
  readonly key: string;
  readonly databaseUrl: string;
  readonly days: readonly Day[];
  /** The COPY starts after the last day is parsed, as in a plain loader. Otherwise Postgres copies meanwhile. */
  readonly inTurn: boolean;
  /** The table has the cheapest primary key there is: the day, and the number of its line. Otherwise it has no index. */
  readonly keyed: boolean;
}

/**
 * The least work that stores the same data: fetch each day, `JSON.parse` it, and COPY the wide rows into a table. It
 * identifies, checks, replaces and escapes nothing.
 */
export async function measureFloor(options: FloorOptions): Promise<Floor> {
  const sql = postgres(options.databaseUrl, { max: 1, onnotice: () => undefined });
  const columns = COLUMNS.map((name) => `${name} ${name === 'amount' ? 'numeric' : 'text'}`);
  await sql.unsafe(
    options.keyed
      ? `create table wide (day date, n integer, ${columns.join(', ')}, primary key (day, n))`
      : `create table wide (day date, ${columns.join(', ')})`,
  );
  const took = { fetch: 0, parse: 0, lines: 0, bytes: 0 };
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
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
      for (const [index, row] of results.entries()) rows += copied(day, options.keyed ? index : null, row);
      took.lines += results.length;
    }
    if (options.inTurn) held.push(Buffer.from(rows));
    else if (!copy.write(rows)) await once(copy, 'drain');
  }
  for (const rows of held) if (!copy.write(rows)) await once(copy, 'drain');
  copy.end();
  await once(copy, 'finish');
  const total = (performance.now() - startedAt) / 1000;
  const used = process.cpuUsage(cpuBefore);
  await sql`drop table wide`;
  await sql.end();
  return { total, ...took, cpu: (used.user + used.system) / 1e6 };
}

/** A row as a line of COPY's text format. */
function copied(day: Day, index: number | null, row: Row): string {
  let line = index === null ? day : `${day}\t${index}`;
  for (const name of COLUMNS) line += `\t${row[name] ?? '\\N'}`;
  return `${line}\n`;
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
