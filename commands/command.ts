import { ConfigError, loadConfig, type Config } from '../config/config.ts';
import { withEmbedded } from '../config/embedded.ts';
import { exitWith } from '../runtime/process.ts';
import { databaseFailure, openDatabase, type Db } from '../db/core/database.ts';

/** The words of a command line are not ones that the command takes. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a command works with. */
export interface CommandContext {
  readonly db: Db;
  readonly config: Config;
}

/**
 * Runs a command: its exit status is what it returns, 2 where it could not begin, and where Postgres failed it. It says
 * what happened in a sentence, and quotes no secret.
 */
export async function runCommand(usage: string, command: (args: string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command(process.argv.slice(2));
  } catch (error) {
    if (error instanceof UsageError) exitWith(`${error.message}\n\n${usage}`);
    if (error instanceof ConfigError) exitWith(error.message);
    const failure = databaseFailure(error);
    if (failure === null) throw error;
    exitWith(`${failure.message}. What was done until then is done; the command can be run again.`);
  }
}

/** Gives a command the database of the environment, or that of the stack which runs on the data directory. */
export async function withDatabase(
  required: Parameters<typeof loadConfig>[1],
  work: (surroundings: CommandContext) => Promise<number>,
): Promise<number> {
  const { dataDir } = loadConfig(process.env);
  const env = withEmbedded(process.env, dataDir);
  if (env['DATABASE_URL'] === undefined) {
    exitWith(`There is no database: set DATABASE_URL, or let "npm start" run on ${dataDir} (METERLINE_DATA_DIR).`);
  }
  const config = loadConfig(env, required);
  const database = openDatabase(config.databaseUrl ?? '', { max: 1, name: 'meterline command' });
  try {
    return await work({ db: database.db, config });
  } finally {
    await database.close();
  }
}

/** Lines of cells, below each other. */
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
