import { parseArgs } from 'node:util';
import { loadDatabaseConfig, type DatabaseConfig } from '../config/config.ts';
import { parseDatabaseUrl, serverNames } from '../config/database-url.ts';
import { ReaderError, makeReader, removeReader, type Reader } from '../db/readers/readers.ts';
import { PUBLIC_VIEWS } from '../domain/readers.ts';
import { UsageError, refuseRepeated, runCommand, withDatabase } from './command.ts';

/** `npm run reader`: makes a role in Postgres that reads the public views, for SQL clients, BI tools and Grafana. */
const USAGE = `Usage: npm run reader -- <role> [--new-password | --remove]

  <role>          makes the role, or repairs its rights and keeps its password
  --new-password  gives it another password
  --remove        drops it`;

await runCommand(USAGE, async (args) => {
  const { name, withNewPassword, isRemoved } = optionsOf(args);
  return withDatabase(loadDatabaseConfig, async ({ db, config }) => {
    try {
      if (isRemoved) {
        sayRemoved(name, await removeReader(db, name));
        return 0;
      }
      sayMade(name, await makeReader(db, name, withNewPassword), config);
      return 0;
    } catch (error) {
      if (!(error instanceof ReaderError)) throw error;
      console.error(error.message);
      return 1;
    }
  });
});

function optionsOf(args: string[]): { name: string; withNewPassword: boolean; isRemoved: boolean } {
  const flag = { type: 'boolean' } as const;
  const options = { 'new-password': flag, remove: flag };
  refuseRepeated(args, options);
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const { 'new-password': withNewPassword = false, remove: isRemoved = false } = values;
    const [name, ...more] = positionals;
    if (name !== undefined && more.length === 0 && !(withNewPassword && isRemoved)) {
      return { name, withNewPassword, isRemoved };
    }
  } catch {
    // The usage says what it takes.
  }
  throw new UsageError('"reader" takes the name of a role, and at most one of --new-password and --remove.');
}

function sayRemoved(name: string, removal: Awaited<ReturnType<typeof removeReader>>): void {
  console.log(
    removal === 'dropped'
      ? `The role "${name}" is dropped.`
      : `The role "${name}" reads nothing here any more. It stays, because it has rights in another database of this server, or owns something there.`,
  );
}

function sayMade(
  name: string,
  { database, isNew, password, isSetUp, writesByFunctions }: Reader,
  { databaseUrl }: DatabaseConfig,
): void {
  // Only the password goes to standard output, so that a redirection can store it.
  if (password !== null) console.log(password);
  const { words, hosts, sslMode } = addressOf(databaseUrl, { database, name });
  const said = [
    `${isNew ? 'Made' : 'Repaired'} the role "${name}". It reads the views ${PUBLIC_VIEWS.join(', ')}, and nothing else.`,
    password === null
      ? 'It keeps its password; --new-password gives it another one.'
      : 'Its password is the line on standard output. It is shown this once, and nothing stores it.',
    `psql asks for it:  psql "${words}"`,
    `Grafana: a PostgreSQL data source with host ${hosts}, database ${database}, user ${name}${sslMode === null ? '' : `, TLS mode ${sslMode}`}, and the password. Other BI tools take the same.`,
    ...(isSetUp
      ? []
      : [
          'Its limits (time, sessions, read-only) are not set, because the role in DATABASE_URL may not change it. Run this as a superuser to set them.',
        ]),
    ...(writesByFunctions
      ? [
          'It can write large objects, and messages into the write-ahead log, as every role of this database can. To end that, run this as a superuser.',
        ]
      : []),
  ];
  console.error(`\n${said.join('\n')}`);
}

/** How a client reaches the database as the reader, in the words of libpq, which asks for the password. */
function addressOf(
  databaseUrl: string,
  { database, name }: { database: string; name: string },
): { words: string; hosts: string; sslMode: string | null } {
  const parsed = parseDatabaseUrl(databaseUrl);
  if ('problems' in parsed) throw new Error('the address of the database was parsed before');
  const { servers, sslMode } = parsed;
  const words = {
    host: servers.map(({ host }) => host).join(','),
    port: servers.map(({ port }) => port).join(','),
    dbname: database,
    user: name,
    ...(sslMode === null ? {} : { sslmode: sslMode }),
  };
  const quoted = (value: string): string =>
    /^[\w.,:/-]+$/.test(value) ? value : `'${value.replaceAll(/['\\]/g, '\\$&')}'`;
  return {
    words: Object.entries(words)
      .map(([word, value]) => `${word}=${quoted(value)}`)
      .join(' '),
    hosts: serverNames(databaseUrl),
    sslMode,
  };
}
