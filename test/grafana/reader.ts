import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { onServer } from '../support/databases.ts';
import type { TestDatabase } from '../support/postgres.ts';

/** The views that are public, in the order of docs/sql.md. */
export const VIEWS = [
  ...['costs', 'usage', 'allocated_costs', 'unit_costs', 'coverage', 'daily_costs'],
  ...['restated_days', 'budget_status', 'monthly_forecasts'],
];

export interface Answer {
  /** The names of the columns with the numbers of their types. */
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  /** Texts as Postgres writes them; booleans and floats are converted. */
  readonly rows: readonly (readonly unknown[])[];
}

/** Somebody who may read the public views, and nothing else. The time zone of the session is not UTC. */
export interface Reader {
  ask(sql: string): Promise<Answer>;
  close(): Promise<void>;
}

const DATES = [1082, 1114, 1184];

export async function openReader(database: TestDatabase): Promise<Reader> {
  const role = `grafana_${randomBytes(6).toString('hex')}`;
  const server = inject('postgresUrl');
  const url = new URL(database.url);
  await onServer(server, `create role ${role} login password 'reads'`);
  await onServer(server, `alter role ${role} set timezone = 'Pacific/Auckland'`);
  const owner = postgres(database.url, { max: 1, onnotice: () => undefined });
  await owner.unsafe(`grant usage on schema public to ${role}; grant select on ${VIEWS.join(', ')} to ${role}`);
  await owner.end();
  url.username = role;
  url.password = 'reads';
  const asText = { to: 25, from: DATES, serialize: String, parse: String };
  const client = postgres(url.href, { max: 1, onnotice: () => undefined, types: { asText } });
  return {
    ask: async (sql) => {
      const found = await client.unsafe(sql).values();
      return { columns: found.columns.map(({ name, type }) => ({ name, type })), rows: [...found] };
    },
    close: async () => {
      await client.end({ timeout: 5 });
      const admin = postgres(database.url, { max: 1, onnotice: () => undefined });
      await admin.unsafe(`drop owned by ${role}`);
      await admin.end();
      await onServer(server, `drop role ${role}`);
    },
  };
}
