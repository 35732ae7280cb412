import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { makeReader, removeReader } from '../../db/readers/readers.ts';
import type { TestDatabase } from '../support/postgres.ts';

export interface Answer {
  /** The names of the columns with the numbers of their types. */
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  /** Texts as Postgres writes them; booleans and floats are converted. */
  readonly rows: readonly (readonly unknown[])[];
}

/** Somebody with the rights that `npm run reader` gives. The time zone of the session is not UTC. */
export interface Reader {
  ask(sql: string): Promise<Answer>;
  close(): Promise<void>;
}

/** The types whose values stay as Postgres writes them: smallint, integer, dates and times. */
const AS_TEXT = [21, 23, 1082, 1114, 1184];

export async function openReader({ db, url }: TestDatabase): Promise<Reader> {
  const role = `grafana_${randomBytes(6).toString('hex')}`;
  const { password } = await makeReader(db, role, false);
  if (password === null) throw new Error('a new role has a password');
  const address = new URL(url);
  address.username = role;
  address.password = password;
  const client = postgres(address.href, {
    max: 1,
    onnotice: () => undefined,
    connection: { TimeZone: 'Pacific/Auckland' },
    types: { asText: { to: 25, from: AS_TEXT, serialize: String, parse: String } },
  });
  return {
    ask: async (sql) => {
      const found = await client.unsafe(sql).values();
      return { columns: found.columns.map(({ name, type }) => ({ name, type })), rows: [...found] };
    },
    close: async () => {
      await client.end({ timeout: 5 });
      await removeReader(db, role);
    },
  };
}
