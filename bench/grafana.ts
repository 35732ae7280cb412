import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { z } from 'zod';
import { openDatabase } from '../db/core/database.ts';
import { makeReader } from '../db/readers/readers.ts';
import { addDays, dayOf } from '../domain/days.ts';
import { expand, queriesOf, type Chosen, type Query } from './grafana-queries.ts';
import { cpuOf, median, until } from './measure.ts';
import { organizations } from './small.ts';
import { number, table } from './text.ts';
import { deploy, startUpstream, type Deployment, type Servers } from './world.ts';

const DASHBOARD = fileURLToPath(new URL('../../grafana/meterline.json', import.meta.url));
const DAYS = 365;
const ORGANIZATIONS = 3;
const GOAL_MS = 300;
const SIZE = [
  '--workspaces',
  '6',
  '--models',
  '3',
  '--lines-per-day',
  '12',
  '--new-series',
  '0',
  '--days',
  String(DAYS),
];
const CHOICES = { connection: 'all', workspace: 'all', model: 'all' } as const;

/** Measures each query of the Grafana dashboard on a year of three organizations, as the role that reads for Grafana. */
export async function grafanaSection(servers: Servers, runs: number): Promise<string[]> {
  const upstream = await startUpstream(servers, [...SIZE, '--prerendered']);
  const deployment = await deploy(servers, upstream);
  try {
    for (const [place, key] of (await organizations(upstream, ORGANIZATIONS)).entries()) {
      const body = { name: `Organization ${place + 1}`, admin_api_key: key, backfill_days: DAYS };
      await deployment.api.post('/v1/connections', body, z.unknown());
    }
    const { sql } = deployment;
    await until(
      'the year is stored',
      async () => {
        const [found] = await sql`select count(*)::int as n from days where reconciled`;
        return found?.['n'] === 2 * DAYS * ORGANIZATIONS;
      },
      { withinS: 600 },
    );
    await sql`vacuum analyze`;
    const [stored] =
      await sql`select (select count(*) from cost_lines)::int as cost, (select count(*) from usage_lines)::int as usage`;
    const { cost, usage } = z.object({ cost: z.number(), usage: z.number() }).parse(stored);
    return [
      '## The Grafana dashboard',
      '',
      `Each query by itself over ${DAYS} days of ${ORGANIZATIONS} organizations with everything chosen, ${number(cost)} lines of cost and ${number(usage)} of usage, as a reader’s role: medians, from the statement to its last row. The processor time is that of Postgres for it, which other programs on the machine do not change.`,
      '',
      ...table(['query', 'rows', 'measured', 'processor time', 'must'], await timesOf(deployment, runs)),
    ];
  } finally {
    await deployment.close();
    await upstream.close();
  }
}

async function timesOf({ databaseUrl }: Deployment, runs: number): Promise<string[][]> {
  const model: unknown = JSON.parse(readFileSync(DASHBOARD, 'utf8'));
  const now = Date.now();
  const chosen: Chosen = {
    from: new Date(`${addDays(dayOf(now), 1 - DAYS)}T00:00:00Z`),
    to: new Date(now),
    values: CHOICES,
  };
  const reader = await openReader(databaseUrl);
  try {
    const [backend] = await reader`select pg_backend_pid() as pid`;
    const { pid } = z.object({ pid: z.number() }).parse(backend);
    const rows: { query: Query; rows: number; ms: number; cpuMs: number }[] = [];
    for (const query of queriesOf(model)) {
      const statement = expand(model, query.sql, chosen);
      const took: number[] = [];
      // The first run fills the caches.
      let found = (await reader.unsafe(statement)).length;
      const before = cpuOf(pid);
      for (let run = 0; run < runs; run += 1) {
        const startedAt = performance.now();
        found = (await reader.unsafe(statement)).length;
        took.push(performance.now() - startedAt);
      }
      rows.push({ query, rows: found, ms: median(took), cpuMs: ((cpuOf(pid) - before) / runs) * 1000 });
    }
    return rows
      .sort((a, b) => b.ms - a.ms)
      .map(({ query, rows: count, ms, cpuMs }) => [
        named(query),
        number(count),
        `${Math.round(ms)} ms`,
        `${Math.round(cpuMs)} ms`,
        `${GOAL_MS} ms`,
      ]);
  } finally {
    await reader.end();
  }
}

function named({ type, name }: Query): string {
  return type === 'variable' || type === 'annotation' ? `${name} (${type})` : name;
}

async function openReader(databaseUrl: string): Promise<postgres.Sql> {
  const database = openDatabase(databaseUrl, { max: 1, name: 'meterline bench' });
  try {
    const { password } = await makeReader(database.db, 'grafana_bench', true);
    const url = new URL(databaseUrl);
    url.username = 'grafana_bench';
    url.password = password ?? '';
    return postgres(url.href, { max: 1, onnotice: () => undefined });
  } finally {
    await database.close();
  }
}
