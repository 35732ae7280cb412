import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { EMBEDDED_DATABASE, EMBEDDED_FILES } from '../../config/embedded.ts';
import { JsonClient } from '../http.ts';
import type { Stack } from '../stack/stack.ts';
import type { Console } from './console.ts';
import { shellWord } from './shell.ts';

/** How to reach a running stack from another terminal. */
export interface Reachable {
  readonly apiUrl: string;
  readonly dataDir: string;
  readonly projectDir: string;
  /** The file of the API's token; null if the token comes from METERLINE_API_TOKEN. */
  readonly tokenFile: string | null;
  /** `host:port` of the embedded Postgres; null if DATABASE_URL names another one. */
  readonly postgres: string | null;
  /** Whether Temporal is the embedded one. */
  readonly temporal: boolean;
}

/**
 * Lines to paste into bash or zsh. They define `METERLINE` and `api` for the HTTP API, and `pg` for Postgres' programs.
 * The documents use these names. The lines hold no secret, and pass none as an argument.
 */
export function definitions({ apiUrl, dataDir, tokenFile, postgres }: Reachable): string[] {
  const header =
    tokenFile === null
      ? `printf 'authorization: Bearer %s' "$METERLINE_API_TOKEN"`
      : `sed 's/^/authorization: Bearer /' ${shellWord(tokenFile)}`;
  return [
    `METERLINE=${shellWord(apiUrl)}`,
    `api() { curl -sS --noproxy '*' -H @<(${header}) "$@"; }`,
    `pg() { ${postgres === null ? 'PGDATABASE="$DATABASE_URL"' : postgresVariables(postgres, dataDir)} "$@"; }`,
  ];
}

function postgresVariables(address: string, dataDir: string): string {
  const { role, name } = EMBEDDED_DATABASE;
  const { hostname, port } = new URL(`postgres://${address}`);
  const password = `"$(cat ${shellWord(join(dataDir, EMBEDDED_FILES.postgresPassword))})"`;
  return `PGHOST=${hostname} PGPORT=${port} PGUSER=${role} PGDATABASE=${name} PGSSLMODE=disable PGPASSWORD=${password}`;
}

/** Commands that use the definitions: they list the connections over HTTP, in SQL and in Temporal. */
export function exampleCommands({ dataDir, projectDir, temporal }: Reachable): string[] {
  const npm = `METERLINE_DATA_DIR=${shellWord(dataDir)} npm --prefix ${shellWord(projectDir)} run --silent`;
  return [
    'api "$METERLINE/v1/connections"',
    "pg psql -c 'select name, status, id from connections'",
    ...(temporal ? [`${npm} temporal -- workflow list`] : []),
  ];
}

/** A command that connects an organization. It reads the key from the terminal. */
export const CONNECT_COMMAND = [
  `read -rs KEY; printf '{"name":"My organization","admin_api_key":"%s"}' "$KEY" |`,
  `  api "$METERLINE/v1/connections" -H 'content-type: application/json' --data-binary @-; unset KEY`,
];

/** The addresses of a stack, as rows of a table. */
export function addressesOf({ apiUrl, temporalUiUrl }: Stack): [name: string, value: string][] {
  return [
    ['API', `${apiUrl}/v1`],
    ['Reference', `${apiUrl}/docs`],
    ...(temporalUiUrl === null ? [] : [['Temporal UI', temporalUiUrl] satisfies [string, string]]),
  ];
}

/** Where the mails of a stack lie that has no mail server, as rows of a table. */
export function mailsOf({ mailFolder }: Stack): [name: string, value: string][] {
  return mailFolder === null ? [] : [['Mails', `kept in ${mailFolder}, since METERLINE_SMTP_URL is not set`]];
}

/** Prints the connections that a stack has, and how to reach it from another terminal. */
export async function printGuide(out: Console, stack: Stack): Promise<void> {
  await printConnections(out, new JsonClient(stack.apiUrl, stack.token.value));
  const reachable = {
    apiUrl: stack.apiUrl,
    dataDir: stack.dataDir,
    tokenFile: stack.token.file,
    postgres: stack.embedded.postgres,
    temporal: stack.embedded.temporal,
    // This file is compiled to dist/local/terminal/.
    projectDir: fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, ''),
  };
  out.line();
  out.line('  Paste these into another terminal (bash or zsh). The commands in the documents use them:');
  out.line();
  for (const line of definitions(reachable)) out.line(`    ${line}`);
  out.line();
  for (const line of exampleCommands(reachable)) out.line(`    ${line}`);
}

const connectionList = z.object({ data: z.array(z.object({ id: z.string(), name: z.string(), status: z.string() })) });

async function printConnections(out: Console, api: JsonClient): Promise<void> {
  // A database that DATABASE_URL names may not answer yet. Then there is no list.
  const { data } = await api.get('/v1/connections', {}, connectionList).catch(() => ({ data: [] }));
  if (data.length === 0) return;
  out.line();
  out.line(`  ${out.style('bold', 'Connections')}`);
  const nameWidth = Math.max(...data.map(({ name }) => name.length));
  const statusWidth = Math.max(...data.map(({ status }) => status.length));
  for (const { name, status, id } of data) {
    out.line(`    ${name.padEnd(nameWidth)}   ${status.padEnd(statusWidth)}   ${id}`);
  }
}
