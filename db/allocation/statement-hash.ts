import { createHash } from 'node:crypto';
import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import { eachRow } from '../core/cursor.ts';
import { list, type Db } from '../core/database.ts';

/**
 * SHA-256 of everything that the replies of a statement are made of, in CSV: what its lines are about and where they go, the
 * lines, the shares, the names and tags, and the document. docs/chargeback.md has the same as a query.
 */
export async function hashOfStatement(tx: Db, number: number, version: number | null): Promise<Buffer> {
  const hash = createHash('sha256');
  for (const section of sectionsOf(number, version)) {
    for await (const batch of eachRow(tx, z.object({ text: z.string().nullable() }), section, 1)) {
      for (const { text } of batch) hash.update(text ?? '');
    }
  }
  return hash.digest();
}

/** They are put into one text in Postgres, and each text is in memory here. */
const SERIES_AT_ONCE = 2_000;

const quoted = (text: SQL): SQL => sql`coalesce('"' || replace(${text}, '"', '""') || '"', '')`;

/** Rows as lines of CSV, in one text. */
function linesOf(cells: readonly SQL[], order: SQL): SQL {
  return sql`string_agg(concat_ws(',', ${list(cells)}) || E'\\n', '' order by ${order}) as text`;
}

function sectionsOf(number: number, version: number | null): SQL[] {
  const ofStatement = sql`where statement_no = ${number}::int`;
  const dimensions = COST_DIMENSIONS.map((name) => quoted(sql.raw(name)));
  const series = [
    ...[sql`series_no`, sql`rules_of`, quoted(sql`organization`), sql`connection_id`, sql`series_id`, ...dimensions],
    ...[sql`coalesce(rule::text, '')`, quoted(sql`center`), quoted(sql`pool`)],
  ];
  const shares = [quoted(sql`pool`), quoted(sql`center`), sql`trim_scale(fraction)`];
  const workspaces = [sql`organization`, sql`workspace_id`, sql`name`, sql`tags::text`].map(quoted);
  const connections = [sql`connection_id`, quoted(sql`organization`), quoted(sql`name`)];
  return [
    sql`
      select ${linesOf(series, sql`series_no`)} from statement_series ${ofStatement}
      group by series_no / ${sql.raw(String(SERIES_AT_ONCE))}
      order by series_no / ${sql.raw(String(SERIES_AT_ONCE))}
    `,
    sql`
      select ${linesOf([sql`day`, sql`series_no`, sql`trim_scale(amount)`], sql`series_no`)}
      from statement_lines ${ofStatement}
      group by day
      order by day
    `,
    sql`select ${linesOf(shares, sql`pool collate "C", center collate "C"`)} from statement_shares ${ofStatement}`,
    sql`
      select ${linesOf(workspaces, sql`organization collate "C", workspace_id collate "C"`)}
      from statement_workspaces ${ofStatement}
    `,
    sql`select ${linesOf(connections, sql`connection_id`)} from statement_connections ${ofStatement}`,
    sql`select document::text || E'\\n' as text from allocation_versions where version = ${version}::int`,
  ];
}
