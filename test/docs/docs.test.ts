import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { READABLE_PATHS } from '../../anthropic/transport.ts';
import { loadConfig } from '../../config/config.ts';
import { FAILURES } from '../../domain/failures.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { VERSION } from '../../domain/version.ts';
import { isSignalName, parseSignal } from '../../domain/connection/messages.ts';
import { signalDescriptions, signals } from '../../workflows/messages.ts';
import { searchAttributes } from '../../workflows/search-attributes.ts';
import { blockOf } from '../support/documents.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const DOCUMENTS = [
  'README.md',
  'SECURITY.md',
  'docs/connect-anthropic.md',
  'docs/dependencies.md',
  'docs/network.md',
  'docs/operating.md',
  'docs/security.md',
  'docs/simulator.md',
  'docs/temporal-ui.md',
];
const packageJson = z
  .object({ version: z.string(), scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read('package.json')));

/** A section of a document: from its heading to the next one of the same or a higher level. */
function section(document: string, heading: string): string {
  const lines = read(document).split('\n');
  const start = lines.findIndex((line) => line.replace(/^#+ /, '') === heading && line.startsWith('#'));
  if (start < 0) throw new Error(`${document} has no section "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const end = lines.findIndex((line, index) => index > start && new RegExp(`^#{1,${level}} `).test(line));
  return lines.slice(start, end < 0 ? undefined : end).join('\n');
}

/** The rows of the tables in a text, by cell, without their heads. */
function rowsOf(text: string): string[][] {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !isRule(line) && !isRule(lines[index + 1] ?? ''))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function isRule(line: string): boolean {
  return /^\|[\s|:-]+\|$/.test(line);
}

/** What stands in backticks. */
function literals(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, literal = '']) => literal);
}

function firstLiterals(text: string): string[] {
  return rowsOf(text).flatMap(([cell = '']) => literals(cell));
}

describe('the README', () => {
  const variables = [...read('config/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name = '']) => name);

  test('lists every environment variable that the configuration knows, and no other', () => {
    expect(variables.length).toBeGreaterThan(10);
    expect(firstLiterals(section('README.md', 'Configuration')).sort()).toEqual(variables.sort());
  });

  test('gives each variable the default that applies', () => {
    const config = loadConfig({});
    const applies: Record<string, string | number> = {
      TEMPORAL_NAMESPACE: config.temporal.namespace,
      METERLINE_TASK_QUEUE: config.temporal.taskQueue,
      ANTHROPIC_BASE_URL: config.anthropicBaseUrl,
      METERLINE_MAX_REPLY_MB: config.maxReplyBytes / 1024 / 1024,
      HOST: config.host,
      PORT: config.port,
      METERLINE_DATA_DIR: config.dataDir,
      METERLINE_SYNC_HOUR_UTC: config.syncHourUtc,
      METERLINE_RESTATEMENT_DAYS: config.restatementDays,
      LOG_LEVEL: config.logLevel,
    };
    const documented = rowsOf(section('README.md', 'Configuration')).map(([name = '', fallback = '']) => [
      literals(name)[0] ?? '',
      literals(fallback)[0] ?? '',
    ]);
    for (const [name = '', fallback] of documented) {
      if (name in applies) expect([name, fallback]).toEqual([name, String(applies[name])]);
    }
  });

  test('lists every command that there is, and no other', () => {
    const names = firstLiterals(section('README.md', 'Commands')).map((command) => command.replace(/^npm (run )?/, ''));
    expect(names.sort()).toEqual(Object.keys(packageJson.scripts).sort());
  });

  test('names rooms that exist', () => {
    const rooms = firstLiterals(section('README.md', 'Architecture'));
    expect(rooms).toContain('domain/');
    for (const room of rooms) expect([room, existsSync(join(root, room))]).toEqual([room, true]);
  });
});

describe('the documents', () => {
  test.each(DOCUMENTS)('%s names only npm scripts that exist', (document) => {
    const named = [...read(document).matchAll(/\bnpm (?:run ([a-z:]+)|(start|test)\b)/g)];
    for (const [, run, short] of named) expect(Object.keys(packageJson.scripts)).toContain(run ?? short);
  });

  test.each(DOCUMENTS)('%s links only to files and headings that exist', (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(0);
    for (const [link, path = '', anchor] of links) {
      const target = path === '' ? document : relative(root, join(root, dirname(document), path));
      expect([link, existsSync(join(root, target))]).toEqual([link, true]);
      if (anchor !== undefined) expect([link, anchorsOf(target)]).toEqual([link, expect.arrayContaining([anchor])]);
    }
  });

  test('publish no encryption key, nor do the files that containers are made from, but ones that are refused', () => {
    const published = ['docker-compose.yml', 'Dockerfile', 'docker/make-secrets.sh', 'docker/entrypoint.sh'];
    for (const file of [...DOCUMENTS, ...published]) {
      for (const [base64] of read(file).matchAll(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=/g)) {
        expect(() => loadConfig({ METERLINE_ENCRYPTION_KEYS: `a:${base64}` }), `${file}: ${base64}`).toThrow('random');
      }
    }
  });

  test('the version in the code is that of the package', () => {
    expect(VERSION).toBe(packageJson.version);
  });
});

function anchorsOf(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('the guide to connecting', () => {
  const guide = 'docs/connect-anthropic.md';

  test('has a row for every failure code, and for no other', () => {
    expect(firstLiterals(section(guide, 'What can go wrong')).sort()).toEqual(Object.keys(FAILURES).sort());
  });

  test('lists exactly the paths that can be read', () => {
    expect(firstLiterals(section(guide, 'Before you start')).sort()).toEqual([...READABLE_PATHS].sort());
  });
});

describe("the page on Temporal's UI", () => {
  const page = 'docs/temporal-ui.md';
  const chapter = section(page, 'Send a Signal');

  test('shows every picture that there is, and no other', () => {
    const shown = [...read(page).matchAll(/!\[[^\]]+\]\(images\/([^)]+)\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual(readdirSync(join(root, 'docs/images')).sort());
  });

  test('lists every signal that a connection takes, and no other', () => {
    const names = [...new Set(rowsOf(chapter).map(([name = '']) => literals(name)[0]))];
    expect(names.sort()).toEqual(Object.keys(signalDescriptions).sort());
  });

  test('gives inputs that the signals take', () => {
    for (const [name = '', input = ''] of rowsOf(chapter)) {
      const signal = literals(name)[0] ?? '';
      if (!isSignalName(signal)) continue;
      for (const json of literals(input)) {
        const carried: unknown = JSON.parse(json.replace('<id of a staged key>', randomUUID()));
        expect(parseSignal(signal, carried)).toMatchObject({ type: signal });
      }
    }
  });

  test('explains every status, and no other', () => {
    expect(firstLiterals(section(page, 'What each status means, and what to do')).sort()).toEqual([...STATUSES].sort());
  });

  test('gives queries by attributes that exist', () => {
    const known: string[] = Object.values(searchAttributes).map(({ name }) => name);
    const named = [...read(page).matchAll(/\bMeterline[A-Z]\w+/g)].map(([name]) => name);
    expect([...new Set(named)].sort()).toEqual(known.sort());
  });
});

describe('the page on security', () => {
  test('names tests that there are, each by its file and its title, and says why where there is none', () => {
    const tests = rowsOf(section('docs/security.md', 'What is tested'));
    expect(tests.length).toBeGreaterThan(30);
    expect(tests[0]?.[0]).not.toBe('');
    for (const [what = '', file = '', title = ''] of tests) {
      const [path] = literals(file);
      if (path === undefined) expect([what, title]).toEqual([what, expect.stringMatching(/^No test: ./)]);
      else expect([path, title, titlesOf(path)]).toEqual([path, title, expect.arrayContaining([title])]);
    }
  });

  test('has a short form whose queries run', async () => {
    const database = await testDatabase();
    for (const name of ['check keys', 'check tokens']) {
      await onClient(database.url, (sql) => sql.unsafe(blockOf('SECURITY.md', name)));
    }
    await database.close();
  });

  test.each(['SECURITY.md', 'docs/security.md'])('and %s run only test files that there are', (document) => {
    const run = [...read(document).matchAll(/npx vitest run (test\/\S+?\.ts)/g)].map(([, path = '']) => path);
    for (const path of run) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });
});

/** The titles of a file's tests, as they are written there. */
function titlesOf(path: string): string[] {
  const titles = /(?:\b(?:it|test)|\))\(\s*(['"])(.+?)\1,/g;
  return [...read(path).matchAll(titles)].map(([, , title = '']) => title);
}

describe('the page on the network', () => {
  const page = 'docs/network.md';

  test('names the host that is asked by default, and the variable of every address', () => {
    const [anthropic] = rowsOf(section(page, 'Outbound'));
    expect(literals(anthropic?.[1] ?? '')).toEqual([`${new URL(loadConfig({}).anthropicBaseUrl).hostname}:443`]);
    const variables = rowsOf(section(page, 'Outbound')).flatMap(([, , variable = '']) => literals(variable));
    expect(variables).toEqual(['ANTHROPIC_BASE_URL', 'DATABASE_URL', 'TEMPORAL_ADDRESS', 'HTTPS_PROXY']);
  });

  test('gives a policy that lets nothing in, and out only DNS, Postgres, Temporal and https', () => {
    const ports = z.array(z.object({ to: z.array(z.unknown()), ports: z.array(z.looseObject({ port: z.int() })) }));
    const policy = z
      .object({ spec: z.object({ policyTypes: z.array(z.string()), ingress: z.array(z.unknown()), egress: ports }) })
      .parse(parse(blockOf(page, 'policy', 'yaml')));
    expect(policy.spec).toMatchObject({ policyTypes: ['Ingress', 'Egress'], ingress: [] });
    expect(policy.spec.egress.flatMap((rule) => rule.ports.map(({ port }) => port))).toEqual([53, 53, 5432, 7233, 443]);
  });
});

describe('the page on operating', () => {
  const page = 'docs/operating.md';
  let database: TestDatabase;

  beforeAll(async () => {
    database = await testDatabase();
  });

  afterAll(async () => {
    await database.close();
  });

  test('explains every status, and no other', () => {
    expect(firstLiterals(section(page, 'Statuses')).sort()).toEqual([...STATUSES].sort());
  });

  test('lists every search attribute and every signal of people', () => {
    const names = firstLiterals(section(page, "Temporal's UI"));
    const attributes = Object.values(searchAttributes).map(({ name }) => name);
    const messages = Object.keys(signals);
    expect(names.sort()).toEqual([...attributes, ...messages].sort());
  });

  test('lists every column of the views, and no other', async () => {
    const text = section(page, 'SQL');
    const [costs = '', usage = ''] = text.split('`usage`, a row');
    // The table of usage says "as above" of the columns that are in both.
    expect(firstLiterals(costs).sort()).toEqual(await columnsOf(database.url, 'costs'));
    expect(firstLiterals(usage).sort()).toEqual(await columnsOf(database.url, 'usage'));
  });

  test('gives queries that run', async () => {
    await onClient(database.url, (sql) => sql.unsafe(blockOf(page, 'examples')));
    await onClient(database.url, (sql) => sql.unsafe(blockOf(page, 'watch')));
  });
});

async function onClient(url: string, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function columnsOf(url: string, view: string): Promise<string[]> {
  let columns: string[] = [];
  await onClient(url, async (sql) => {
    const found = await sql<{ name: string }[]>`
      select column_name as name from information_schema.columns where table_name = ${view}`;
    columns = found.map(({ name }) => name).sort();
  });
  return columns;
}
