import { parseArgs } from 'node:util';
import { loadDatabaseConfig } from '../config/config.ts';
import { TokenError, createToken, listTokens, revokeToken, type TokenInfo } from '../db/tokens/tokens.ts';
import { DAY_MS } from '../domain/days.ts';
import { COMMAND, TOKEN_ROLES, problemWithTokenName, type TokenRole } from '../domain/tokens.ts';
import { UsageError, refuseRepeated, runCommand, table, withDatabase } from './command.ts';

/** `npm run tokens`: creates, lists and revokes tokens of the HTTP API. Access to the database is enough to use it. */
const USAGE = `Usage: npm run tokens -- <command>

  create --name <name> --role admin|viewer [--expires <days>d]
  list
  revoke <id>`;

const PAGE = 500;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

await runCommand(USAGE, async ([command, ...rest]) => {
  switch (command) {
    case 'create':
      return create(rest);
    case 'list':
      if (rest.length > 0) throw new UsageError('"list" takes no arguments.');
      return list();
    case 'revoke':
      return revoke(rest);
    case undefined:
    default:
      throw new UsageError('Name a command: create, list or revoke.');
  }
});

async function create(args: string[]): Promise<number> {
  const token = { ...tokenOf(args), creator: { id: null, name: COMMAND } };
  return withDatabase(loadDatabaseConfig, async ({ db }) => {
    try {
      const created = await createToken(db, token);
      // Only the token goes to standard output, so that a redirection can store it.
      console.log(created.token);
      console.error(
        `\nThat is the token "${created.name}" (${created.id}), ${created.role}, ${endOf(created)}. It is shown this once.`,
      );
      return 0;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      console.error(error.message);
      return 1;
    }
  });
}

function tokenOf(args: string[]): { name: string; role: TokenRole; expiresAt?: Date } {
  const { name = '', role, expires } = optionsOf(args);
  const problem = problemWithTokenName(name);
  if (problem !== null) throw new UsageError(`--name ${problem}.`);
  const known = TOKEN_ROLES.find((each) => each === role);
  if (known === undefined) throw new UsageError(`--role must be one of ${TOKEN_ROLES.join(', ')}.`);
  if (expires === undefined) return { name, role: known };
  const days = /^([1-9]\d{0,4})d$/.exec(expires)?.[1];
  if (days === undefined) throw new UsageError('--expires must be a number of days, such as 90d.');
  return { name, role: known, expiresAt: new Date(Date.now() + Number(days) * DAY_MS) };
}

function optionsOf(args: string[]): { name?: string; role?: string; expires?: string } {
  const text = { type: 'string' } as const;
  const options = { name: text, role: text, expires: text };
  refuseRepeated(args, options);
  try {
    return parseArgs({ args, options }).values;
  } catch {
    throw new UsageError('"create" takes --name, --role and --expires, each with a value.');
  }
}

async function list(): Promise<number> {
  return withDatabase(loadDatabaseConfig, async ({ db }) => {
    const lines = [['id', 'name', 'role', 'created', 'by', 'used last', 'until']];
    for (let after: string | null = null; ;) {
      const page: TokenInfo[] = await listTokens(db, { after, limit: PAGE });
      for (const token of page) {
        const { id, name, role, createdAt, createdBy, lastUsedAt } = token;
        lines.push([
          id,
          name,
          role,
          dayOf(createdAt),
          createdBy,
          lastUsedAt === null ? 'never' : dayOf(lastUsedAt),
          endOf(token),
        ]);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      after = last.id;
    }
    console.log(table(lines));
    return 0;
  });
}

async function revoke([id, ...rest]: string[]): Promise<number> {
  if (id === undefined || rest.length > 0 || !UUID.test(id)) throw new UsageError('"revoke" takes the id of a token.');
  return withDatabase(loadDatabaseConfig, async ({ db }) => {
    const revoked = await revokeToken(db, id, COMMAND);
    if (revoked === null) {
      console.error('There is no token with this id.');
      return 1;
    }
    console.log(`The token "${revoked.name}" is ${endOf(revoked)}, and so is every token that it created.`);
    return 0;
  });
}

function endOf({ expiresAt, revokedAt, revokedBy }: TokenInfo): string {
  if (revokedAt !== null) return `revoked on ${dayOf(revokedAt)} by ${revokedBy ?? ''}`;
  if (expiresAt === null) return 'does not expire';
  return `${expiresAt.getTime() > Date.now() ? 'expires' : 'expired'} on ${dayOf(expiresAt)}`;
}

function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}
