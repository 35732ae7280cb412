import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { READABLE_PATHS } from '../../anthropic/transport.ts';
import { loadConfig } from '../../config/config.ts';
import { variables } from '../../config/variables.ts';
import { FAILURES } from '../../domain/failures.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { CHANNEL_KINDS, DELIVERY_STATES } from '../../domain/notices/deliveries.ts';
import { NOTICE_KINDS, closesWhen } from '../../domain/notices/kinds.ts';
import { PUBLIC_VIEWS } from '../../domain/readers.ts';
import { VERSION } from '../../domain/version.ts';
import { isSignalName, parseSignal } from '../../domain/connection/messages.ts';
import { signalDescriptions } from '../../workflows/messages.ts';
import { searchAttributes } from '../../workflows/search-attributes.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import {
  DOCUMENTS,
  ROOT,
  blockOf,
  blocksOf,
  firstLiterals,
  literals,
  read,
  rowsOf,
  section,
  shellBlocksOf,
} from '../support/documents.ts';

const packageJson = z
  .object({ version: z.string(), scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read('package.json')));

describe('the README', () => {
  test('shows at most five commands and one diagram', () => {
    expect(shellBlocksOf('README.md').length).toBeLessThanOrEqual(5);
    expect(blocksOf(read('README.md')).filter(({ language }) => language === 'mermaid')).toHaveLength(1);
  });

  test('leads to every other document', () => {
    const others = [...DOCUMENTS, 'CHANGELOG.md', 'bench/RESULTS.md'].filter((document) => document !== 'README.md');
    for (const document of others) expect(section('README.md', 'Documents')).toContain(`](${document})`);
  });
});

describe('the page on settings and commands', () => {
  const page = 'docs/configuration.md';

  test('lists every environment variable that the configuration knows, and no other', () => {
    const known = Object.keys(variables.shape).filter((name) => name === name.toUpperCase());
    expect(firstLiterals(section(page, 'Settings')).sort()).toEqual(known.sort());
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
    const documented = rowsOf(section(page, 'Settings')).map(([name = '', fallback = '']) => [
      literals(name)[0] ?? '',
      literals(fallback)[0] ?? '',
    ]);
    for (const [name = '', fallback] of documented) {
      if (name in applies) expect([name, fallback]).toEqual([name, String(applies[name])]);
    }
  });

  test('lists every npm script, and no other', () => {
    const names = firstLiterals(section(page, 'Commands')).map((command) => command.replace(/^npm (run )?/, ''));
    expect(names.sort()).toEqual(Object.keys(packageJson.scripts).sort());
  });
});

describe('the page on notices', () => {
  const page = 'docs/notices.md';

  test('lists every kind with when it closes, and every kind of channel', () => {
    const closes = rowsOf(section(page, 'Kinds')).map(([kind = '', , , end = '']) => [literals(kind)[0] ?? '', end]);
    expect(closes).toEqual(NOTICE_KINDS.map((kind) => [kind, closesWhen(kind) ?? 'at once']));
    expect(firstLiterals(section(page, 'Set up a channel'))).toEqual([...CHANNEL_KINDS]);
  });

  test('shows every picture of a mail, and no other', () => {
    const shown = [...read(page).matchAll(/!\[[^\]]+\]\(images\/([^)]+)\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual(picturesOf('mail'));
  });

  test('lists every state of a delivery', () => {
    expect(firstLiterals(section(page, 'What is guaranteed'))).toEqual([...DELIVERY_STATES]);
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
      const target = path === '' ? document : relative(ROOT, join(ROOT, dirname(document), path));
      expect([link, existsSync(join(ROOT, target))]).toEqual([link, true]);
      if (anchor !== undefined) expect([link, anchorsOf(target)]).toEqual([link, expect.arrayContaining([anchor])]);
    }
  });
});

test('no document and no file that containers are built from holds an encryption key that Meterline would accept', () => {
  const published = ['docker-compose.yml', 'Dockerfile', 'docker/make-secrets.sh', 'docker/entrypoint.sh'];
  for (const file of [...DOCUMENTS, ...published]) {
    for (const [base64] of read(file).matchAll(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=/g)) {
      expect(() => loadConfig({ METERLINE_ENCRYPTION_KEYS: `a:${base64}` }), `${file}: ${base64}`).toThrow('random');
    }
  }
});

test('the version in the code is the package version', () => {
  expect(VERSION).toBe(packageJson.version);
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

  test('lists exactly the paths that the transport can read', () => {
    expect(firstLiterals(section(guide, 'Before you start')).sort()).toEqual([...READABLE_PATHS].sort());
  });
});

/** The pictures in docs/images that belong to a page, by the beginning of their names. */
function picturesOf(subject: string): string[] {
  const pictures = readdirSync(join(ROOT, 'docs/images'));
  return pictures.filter((name) => name.startsWith(`${subject}-`)).sort();
}

describe('the page on the console', () => {
  test('shows every picture of it, and no other', () => {
    const shown = [...read('docs/console.md').matchAll(/!\[[^\]]+\]\(images\/([^)]+)\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual(picturesOf('console'));
    const pictures = ['console', 'mail', 'temporal'].flatMap(picturesOf);
    expect(pictures.sort()).toEqual(readdirSync(join(ROOT, 'docs/images')).sort());
  });
});

describe("the page on Temporal's UI", () => {
  const page = 'docs/temporal-ui.md';
  const chapter = section(page, 'Send a Signal');

  test('shows every picture in docs/images, and no other', () => {
    const shown = [...read(page).matchAll(/!\[[^\]]+\]\(images\/([^)]+)\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual(picturesOf('temporal'));
  });

  test('lists every signal that a connection takes, and no other', () => {
    const names = [...new Set(rowsOf(chapter).map(([name = '']) => literals(name)[0]))];
    expect(names.sort()).toEqual(Object.keys(signalDescriptions).sort());
  });

  test('gives inputs that the signals accept', () => {
    for (const [name = '', input = ''] of rowsOf(chapter)) {
      const signal = literals(name)[0] ?? '';
      if (!isSignalName(signal)) continue;
      for (const json of literals(input)) {
        const carried: unknown = JSON.parse(json.replace('<id of a candidate>', randomUUID()));
        expect(parseSignal(signal, carried)).toMatchObject({ type: signal });
      }
    }
  });

  test('explains every status, and no other', () => {
    expect(firstLiterals(section(page, 'What each status means, and what to do')).sort()).toEqual([...STATUSES].sort());
  });

  test('lists every search attribute, and gives queries by those that exist', () => {
    const known: string[] = Object.values(searchAttributes).map(({ name }) => name);
    expect(
      firstLiterals(section(page, 'Search attributes'))
        .filter((name) => name.startsWith('Meter'))
        .sort(),
    ).toEqual(known.sort());
    const named = [...read(page).matchAll(/\bMeterline[A-Z]\w+/g)].map(([name]) => name);
    expect([...new Set(named)].sort()).toEqual(known.sort());
  });
});

describe('the page on security', () => {
  test('names for each claim an existing test, by file and title, or says why there is no test', () => {
    const unwrapped = section('docs/security.md', 'What is tested').replace(/\n {4}/g, ' ');
    const claims = unwrapped.split(/^- (?=\*\*)/m).slice(1);
    expect(claims.length).toBeGreaterThan(30);
    for (const claim of claims) {
      const named = [...claim.matchAll(/^ {2}- `([^`]+)`: (.+)$/gm)];
      if (named.length === 0) expect(claim).toMatch(/^ {2}- No test: ./m);
      for (const [, file = '', title = ''] of named) {
        expect([file, title, titlesOf(file)]).toEqual([file, title, expect.arrayContaining([title])]);
      }
    }
  });

  test('has a short form whose queries run', async () => {
    const database = await testDatabase();
    for (const name of ['check keys', 'check tokens', 'check sessions']) {
      await onClient(database.url, (sql) => sql.unsafe(blockOf('SECURITY.md', name)));
    }
    await database.close();
  });

  test.each(['SECURITY.md', 'docs/security.md'])('and %s name only test files that exist', (document) => {
    const run = [...read(document).matchAll(/npx vitest run (test\/\S+?\.ts)/g)].map(([, path = '']) => path);
    for (const path of run) expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
  });
});

/** The titles of a file's tests, as the file spells them. */
function titlesOf(path: string): string[] {
  const titles = /(?:\b(?:it|test)|\))\(\s*(['"])(.+?)\1,/g;
  return [...read(path).matchAll(titles)].map(([, , title = '']) => title);
}

describe('the page on the network', () => {
  const page = 'docs/network.md';

  test('names the default host, and the variable that sets each address', () => {
    const [anthropic] = rowsOf(section(page, 'Outbound'));
    expect(literals(anthropic?.[1] ?? '')).toEqual([`${new URL(loadConfig({}).anthropicBaseUrl).hostname}:443`]);
    const variables = rowsOf(section(page, 'Outbound')).flatMap(([, , variable = '']) => literals(variable));
    expect(variables).toEqual([
      'ANTHROPIC_BASE_URL',
      'DATABASE_URL',
      'TEMPORAL_ADDRESS',
      'METERLINE_SMTP_URL',
      'METERLINE_NOTIFY_ALLOW',
      'METERLINE_HEARTBEAT_URL',
      'HTTPS_PROXY',
    ]);
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

describe('the pages on SQL and on operating', () => {
  const page = 'docs/sql.md';
  let database: TestDatabase;

  beforeAll(async () => {
    database = await testDatabase();
  });

  afterAll(async () => {
    await database.close();
  });

  test('list the public views, and every column of each in its order with its type, and no other', async () => {
    const views = [...section(page, 'Columns').matchAll(/^### (\w+)$/gm)].map(([, view = '']) => view);
    expect([...views].sort()).toEqual([...PUBLIC_VIEWS].sort());
    for (const view of views) {
      const documented = rowsOf(section(page, view)).map(([column = '', type = '']) => [
        ...literals(column),
        ...literals(type),
      ]);
      expect([view, documented]).toEqual([view, await columnsOf(database.url, view)]);
    }
  });

  test('name every other view, none of which is public', async () => {
    const known = literals(read(page).split('The other views may change:')[1]?.split('\n\n')[0] ?? '');
    expect([...known, ...PUBLIC_VIEWS].sort()).toEqual(await viewsOf(database.url));
  });

  test('give queries that run', async () => {
    await onClient(database.url, (sql) => sql.unsafe(blockOf(page, 'examples')));
    await onClient(database.url, (sql) => sql.unsafe(blockOf('docs/operating.md', 'watch')));
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

async function columnsOf(url: string, view: string): Promise<string[][]> {
  let columns: string[][] = [];
  await onClient(url, async (sql) => {
    const found = await sql<{ name: string; type: string }[]>`
      select column_name as name, data_type as type from information_schema.columns
      where table_schema = 'public' and table_name = ${view} order by ordinal_position`;
    columns = found.map(({ name, type }) => [name, type]);
  });
  return columns;
}

async function viewsOf(url: string): Promise<string[]> {
  let views: string[] = [];
  await onClient(url, async (sql) => {
    const found = await sql<{ name: string }[]>`
      select table_name as name from information_schema.views where table_schema = 'public'`;
    views = found.map(({ name }) => name).sort();
  });
  return views;
}
