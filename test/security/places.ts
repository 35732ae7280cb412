import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import postgres from 'postgres';
import { textsOf, type Finding, type Search } from './search.ts';

/** Searches every file below a folder, as the file system has it now. Those named are left out. */
export function searchFiles(search: Search, folder: string, except: readonly string[]): Finding[] {
  const found: Finding[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (except.includes(name)) continue;
    const content = contentOf(path);
    if (content !== null) found.push(...search.in(`file ${name}`, content));
  }
  return found;
}

/** Null where it is gone meanwhile: servers remove files as they go. */
function contentOf(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

const STATISTICS = ['pg_stat_activity', 'pg_prepared_statements', 'pg_cursors', 'pg_settings'];

/** Searches every row of every table, the server's own among them, and what it says of its sessions. */
export async function searchDatabase(search: Search, url: string): Promise<Finding[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  const found: Finding[] = [];
  try {
    // So that what was committed is in the files of the tables, too, and not in the write-ahead log only.
    await sql`checkpoint`;
    const tables = await sql<{ schema: string; name: string }[]>`
      select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where (c.relkind in ('r', 'm') or c.relname = any(${STATISTICS})) and n.nspname <> 'pg_toast'`;
    for (const { schema, name } of tables) {
      const rows = await sql<{ row: string }[]>`select t::text as row from ${sql(schema)}.${sql(name)} t`;
      const text = rows.map(({ row }) => row).join('\n');
      // What is stored as bytes is in it in hex.
      const bytes = [...text.matchAll(/\\x([0-9a-f]{16,})/g)].map(([, hex = '']) => Buffer.from(hex, 'hex'));
      found.push(...search.in(`table ${schema}.${name}`, Buffer.concat([Buffer.from(text), ...bytes])));
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
  return found;
}

/** Searches what Temporal says of every workflow: its description, with memo and search attributes, and its history. */
export async function searchTemporal(search: Search, address: string): Promise<Finding[]> {
  return withTemporal(address, async (client) => {
    const found: Finding[] = [];
    for await (const { workflowId, runId } of client.workflow.list()) {
      const handle = client.workflow.getHandle(workflowId, runId);
      const { raw } = await handle.describe();
      found.push(...search.in(`description ${workflowId}`, textsOf(raw)));
      found.push(...search.in(`history ${workflowId}`, textsOf(await handle.fetchHistory())));
    }
    return found;
  });
}

export async function withTemporal<T>(address: string, work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}
