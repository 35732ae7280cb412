import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { EMBEDDED_DATABASE, EMBEDDED_FILES } from '../../config/embedded.ts';
import type { Console } from './console.ts';
import { JsonClient } from '../http.ts';
import { shellWord } from './shell.ts';
import type { Stack } from '../stack/stack.ts';

/** What the lines to paste are made of. */
export interface Reachable {
  readonly apiUrl: string;
  readonly dataDir: string;
  readonly projectDir: string;
  /** Where the API's token is kept; null when it came from the environment. */
  readonly tokenFile: string | null;
  /** `host:port` of the embedded Postgres; null when another one serves. */
  readonly postgres: string | null;
  /** Whether the embedded Temporal serves. */
  readonly temporal: boolean;
}

/**
 * Lines for another terminal, in bash and zsh alike: `METERLINE` and `api` for the HTTP API, `pg` for the programs of
 * Postgres. The documents use them by these names. No secret is in them, and none gets into an argument.
 */
export function definitions({ apiUrl, dataDir, tokenFile, postgres }: Reachable): string[] {
  const header =
    tokenFile === null
      ? `printf 'authorization: Bearer %s' "$METERLINE_API_TOKEN"`
      : `sed 's/^/authorization: Bearer /' ${shellWord(tokenFile)}`;
  const { role, name } = EMBEDDED_DATABASE;
  const [host, port] = postgres?.split(':') ?? [];
  const password = `"$(cat ${shellWord(join(dataDir, EMBEDDED_FILES.postgresPassword))})"`;
  const database =
    postgres === null
      ? 'PGDATABASE="$DATABASE_URL"'
      : `PGHOST=${host} PGPORT=${port} PGUSER=${role} PGDATABASE=${name} PGSSLMODE=disable PGPASSWORD=${password}`;
  return [
    `METERLINE=${shellWord(apiUrl)}`,
    `api() { curl -sS --noproxy '*' -H @<(${header}) "$@"; }`,
    `pg() { ${database} "$@"; }`,
  ];
}

/** Lines that use the definitions: the connections over HTTP, in SQL, and their workflows. */
export function firstQuestions({ dataDir, projectDir, temporal }: Reachable): string[] {
  const npm = `METERLINE_DATA_DIR=${shellWord(dataDir)} npm --prefix ${shellWord(projectDir)} run --silent`;
  return [
    'api "$METERLINE/v1/connections"',
    "pg psql -c 'select name, status, id from connections'",
    ...(temporal ? [`${npm} temporal -- workflow list`] : []),
  ];
}

/** A line that connects an organization, and takes its key from the terminal. */
export const CONNECTING = [
  `read -rs KEY; printf '{"name":"My organization","admin_api_key":"%s"}' "$KEY" |`,
  `  api "$METERLINE/v1/connections" -H 'content-type: application/json' --data-binary @-; unset KEY`,
];

/** Says how to reach a stack from another terminal, and which connections it has already. */
export async function printGuide(out: Console, stack: Stack): Promise<void> {
  const reachable = {
    ...{ apiUrl: stack.apiUrl, dataDir: stack.dataDir, tokenFile: stack.token.file },
    ...{ postgres: stack.embedded.postgres, temporal: stack.embedded.temporal },
    // Compiled, this file lies in dist/local/.
    projectDir: fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, ''),
  };
  const connections = await connectionsOf(new JsonClient(stack.apiUrl, stack.token.value));
  if (connections.length > 0) {
    out.line();
    out.line(`  ${out.style('bold', 'Connections')}`);
    const width = Math.max(...connections.map(({ name }) => name.length));
    for (const { name, status, id } of connections) {
      out.line(`    ${name.padEnd(width)}   ${status.padEnd('awaiting_key'.length)}   ${id}`);
    }
  }
  out.line();
  out.line('  Paste these into another terminal (bash or zsh), for the commands of the documents:');
  out.line();
  for (const line of definitions(reachable)) out.line(`    ${line}`);
  out.line();
  for (const line of firstQuestions(reachable)) out.line(`    ${line}`);
}

const list = z.object({ data: z.array(z.object({ id: z.string(), name: z.string(), status: z.string() })) });

/** None, where the API cannot tell yet: the database that it was given may not answer. */
async function connectionsOf(api: JsonClient): Promise<z.output<typeof list>['data']> {
  return (await api.get('/v1/connections', {}, list).catch(() => ({ data: [] }))).data;
}
