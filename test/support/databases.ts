import postgres from 'postgres';

/** Databases of tests are cloned from this one, which has the present schema. */
export const TEMPLATE = 'meterline_template';

/** The address of a database on a server. */
export function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs a statement that belongs to the server and to no database. */
export async function onServer(server: string, statement: string): Promise<void> {
  const client = postgres(databaseUrl(server, 'postgres'), { max: 1, onnotice: () => undefined });
  try {
    await client.unsafe(statement);
  } finally {
    await client.end({ timeout: 5 });
  }
}
