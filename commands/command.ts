import { parseArgs, type ParseArgsConfig } from 'node:util';
import { ConfigError, loadConfig, type DatabaseConfig } from '../config/config.ts';
import { withEmbedded } from '../config/embedded.ts';
import type { Environment } from '../config/variables.ts';
import { exitWith } from '../runtime/process.ts';
import { databaseFailure, openDatabase, type Db } from '../db/core/database.ts';
import type { Limits } from '../db/core/servers.ts';

/** The command line is not one that the command understands. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Throws {@link UsageError} for an option that is given more than once and does not take several values: none wins silently. */
export function refuseRepeated(args: string[], options: NonNullable<ParseArgsConfig['options']>): void {
  const { tokens } = parseArgs({ args, options, tokens: true, strict: false, allowPositionals: true });
  const given = tokens.filter((token) => token.kind === 'option').map(({ name }) => name);
  const twice = given.find((name, place) => given.indexOf(name) < place && options[name]?.multiple !== true);
  if (twice !== undefined) throw new UsageError(`--${twice} is given more than once.`);
}

/** What a command works with. */
export interface CommandContext<Config> {
  readonly db: Db;
  readonly config: Config;
}

/**
 * Runs a command and exits with the status that it returns, or with 2 if it could not start or Postgres failed. The
 * messages on standard error quote no secret.
 */
export async function runCommand(usage: string, command: (args: string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command(process.argv.slice(2));
  } catch (error) {
    if (error instanceof UsageError) exitWith(`${error.message}\n\n${usage}`);
    if (error instanceof ConfigError) exitWith(error.message);
    const failure = databaseFailure(error);
    if (failure === null) throw error;
    exitWith(`${failure.message}. What the command did so far stays done. Run it again to do the rest.`);
  }
}

/**
 * Opens the database that the environment names, or that of the embedded stack which runs on the data directory, and
 * closes it after `work`. `session` is the name that Postgres shows for it, and the limits of its statements, where they are
 * not those of every command.
 */
export async function withDatabase<Config extends DatabaseConfig>(
  load: (env: Environment) => Config,
  work: (context: CommandContext<Config>) => Promise<number>,
  session: { readonly name: string; readonly limits?: Limits } = { name: 'meterline command' },
): Promise<number> {
  const { dataDir } = loadConfig(process.env);
  const env = withEmbedded(process.env, dataDir);
  if (env['DATABASE_URL'] === undefined) {
    exitWith(`There is no database: set DATABASE_URL, or let "npm start" run on ${dataDir} (METERLINE_DATA_DIR).`);
  }
  const config = load(env);
  const database = openDatabase(config.databaseUrl, { max: 1, ...session });
  try {
    return await work({ db: database.db, config });
  } finally {
    await database.close();
  }
}

/** Lays out lines of cells in columns. */
export function table(lines: readonly (readonly string[])[]): string {
  const widths = lines.reduce<number[]>(
    (known, line) => line.map((cell, index) => Math.max(known[index] ?? 0, cell.length)),
    [],
  );
  return lines
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
