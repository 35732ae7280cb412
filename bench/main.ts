import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { VERSION } from '../domain/version.ts';
import { aheadSection } from './ahead.ts';
import { measureAuth } from './auth.ts';
import { badSection } from './bad-input.ts';
import { chargebackSection } from './chargeback.ts';
import { consoleSection } from './console.ts';
import { grafanaSection } from './grafana.ts';
import { connect, measureLines, measureYear } from './large.ts';
import { cpuOf, median } from './measure.ts';
import { noticesSection } from './notices.ts';
import { partsOf } from './profile.ts';
import { shapesSection } from './shapes-section.ts';
import { SHAPES, withShape } from './shapes.ts';
import { measureMany, measureSmall } from './small.ts';
import { focusSection } from './focus.ts';
import { spendSection } from './spend.ts';
import { spellingsSection } from './spellings.ts';
import { mb, number, s, table } from './text.ts';
import { deploy, startServers, startUpstream, type Servers } from './world.ts';

/**
 * `npm run bench`: measures the whole path, from a request to the last commit, against the least work that stores the
 * same data, and writes bench/RESULTS.md. With names of parts it measures only these, and writes them with `--write`; with
 * `-- --runs 1`, it measures each shape and spelling once.
 */
const RESULTS = fileURLToPath(new URL('../../bench/RESULTS.md', import.meta.url));
const RUNS = 3;
const MONTH = 31;
const SMALL_RUNS = 5;
const MANY = 500;
const GROWTH_LINES = [5_000, 20_000, 80_000];
const GROWTH_DAYS = 4;
const GROWTH_CONNECTIONS = [10, 100, 1_000];
/** Their page has 50 MB. */
const HUGE_LINES = 150_000;

const HEAD = [
  '# Results',
  [
    '`npm run bench` wrote this. Times are of the whole path: from the request to the API, through Temporal, to the last',
    'commit, with all programs on one machine, the simulated Anthropic among them. It renders its pages beforehand, with',
    'rows in another order at each read. The **floor** is the least work that stores the same pages in the same minutes:',
    'fetch, `JSON.parse`, and one COPY of the wide rows into a table. Its steps run one after the other, as in a plain',
    'loader, or Postgres copies on one processor while the other one parses. Its table has no index, or it has the cheapest',
    'key: the day and the number of the line. Compare ratios: machines differ several times over in their times.',
  ].join('\n'),
];

type Section = (servers: Servers, runs: number) => Promise<string[]>;

const SECTIONS: Readonly<Record<string, Section>> = {
  large: (servers, runs) => shapesSection(servers, runs, ['steady', 'churn', 'spaced']),
  steady: (servers, runs) => shapesSection(servers, runs, ['steady']),
  churn: (servers, runs) => shapesSection(servers, runs, ['churn']),
  spaced: (servers, runs) => shapesSection(servers, runs, ['spaced']),
  spellings: spellingsSection,
  bad: badSection,
  year: yearSection,
  spend: spendSection,
  chargeback: chargebackSection,
  ahead: aheadSection,
  focus: focusSection,
  console: consoleSection,
  grafana: grafanaSection,
  notices: noticesSection,
  small: smallSection,
  growth: growthSection,
  profile: profileSection,
  auth: authSection,
};

/** Parts of `large`, for whoever asks for one alone. */
const ONLY_ALONE = ['steady', 'churn', 'spaced'];

async function main(): Promise<void> {
  const { values, positionals: asked } = parseArgs({
    options: { runs: { type: 'string', default: String(RUNS) }, write: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const names = asked.length === 0 ? Object.keys(SECTIONS).filter((name) => !ONLY_ALONE.includes(name)) : asked;
  const servers = await startServers();
  const measured = new Map<string, string>();
  try {
    for (const name of names) {
      const section = SECTIONS[name];
      if (section === undefined) throw new Error(`There is no part "${name}": ${Object.keys(SECTIONS).join(', ')}`);
      const startedAt = Date.now();
      const [title = '', ...rest] = await section(servers, Number(values.runs));
      measured.set(title, [title, '', where(), ...rest].join('\n'));
      console.log(measured.get(title));
      console.error(`${name}: ${Math.round((Date.now() - startedAt) / 1000)} s`);
    }
  } finally {
    await servers.close();
  }
  if (asked.length > 0 && !values.write) return;
  const kept = asked.length === 0 ? [] : sectionsOf(readFileSync(RESULTS, 'utf8'));
  const sections = kept.map(([title, text]) => measured.get(title) ?? text);
  const added = [...measured].filter(([title]) => kept.every(([other]) => other !== title)).map(([, text]) => text);
  const options = { ...(await resolveConfig(RESULTS)), parser: 'markdown' };
  writeFileSync(RESULTS, await format([...HEAD, ...added, ...sections].join('\n\n'), options));
}

/** The sections of the results, by their titles. */
function sectionsOf(results: string): [title: string, text: string][] {
  return results
    .split(/^(?=## )/m)
    .slice(1)
    .map((text) => [text.split('\n')[0] ?? '', text.trim()]);
}

/** When and where a section was measured: sections can be measured one by one. */
function where(): string {
  const [cpu] = cpus();
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GB`;
  return `_${new Date().toISOString().slice(0, 10)}, Meterline ${VERSION} (${commit}), Node ${process.versions.node}, ${machine}_\n`;
}

async function yearSection(servers: Servers): Promise<string[]> {
  const year = await withShape(servers, SHAPES.steady, 365, (upstream) => measureYear(servers, upstream));
  const huge = await measureLines(servers, HUGE_LINES, 2);
  return [
    '## A year of it, and a single page of 50 MB',
    '',
    ...table(
      ['what', 'measured', 'must', 'aim'],
      [
        [`365 days of cost, ${number(year.lines)} lines`, s(year.cost, 1), '', ''],
        ['memory of the worker, at most', mb(year.peakMb), '300 MB', '220 MB'],
        [
          'bytes in Postgres per line, indexes, dimensions and rollup included',
          year.bytesPerLine.toFixed(0),
          '120',
          '80',
        ],
        [`… of that, dimensions (${number(year.series)} series)`, year.bytesOfSeries.toFixed(0), '', ''],
        [`a day of ${number(Math.round(huge.lines / 2))} lines, memory at most`, mb(huge.peakMb), '350 MB', ''],
      ],
    ),
  ];
}

async function smallSection(servers: Servers): Promise<string[]> {
  const took = await measureSmall(servers, SMALL_RUNS);
  const many = await measureMany(servers, MANY);
  return [
    '## Small organizations',
    '',
    'Five workspaces and about 200 lines a day.',
    '',
    ...table(
      ['what', 'measured', 'must', 'aim'],
      [
        [`from connecting to 31 days of both reports, median of ${SMALL_RUNS}`, s(median(took)), '2 s', '1 s'],
        [
          `${MANY} connected at once, Anthropic answering in 100 ms: until all are read`,
          s(many.all, 1),
          '120 s',
          '60 s',
        ],
        ['… reading from the API meanwhile, 99th percentile', `${Math.round(many.readP99)} ms`, '500 ms', '250 ms'],
        ['… connecting, Anthropic’s verdict included, 99th percentile', `${Math.round(many.connectP99)} ms`, '', ''],
        ['… memory of the worker, at most', mb(many.workerPeakMb), '', ''],
        ['… requests that failed', String(many.failed), '0', ''],
      ],
    ),
  ];
}

async function growthSection(servers: Servers): Promise<string[]> {
  const byLines: { lines: number; cost: number; peakMb: number }[] = [];
  for (const lines of GROWTH_LINES) {
    const { cost, peakMb, lines: found } = await measureLines(servers, lines, GROWTH_DAYS);
    byLines.push({ lines: found / GROWTH_DAYS, cost, peakMb });
  }
  const byConnections: { organizations: number; all: number; workerPeakMb: number; readP99: number }[] = [];
  for (const count of GROWTH_CONNECTIONS) byConnections.push(await measureMany(servers, count));
  const lineCost = leastSquares(byLines.map(({ lines, cost }) => [lines * GROWTH_DAYS, cost]));
  const connectionCost = leastSquares(byConnections.map(({ organizations, all }) => [organizations, all]));
  return [
    '## How cost grows',
    '',
    `${GROWTH_DAYS} days of 1, 4 and 16 times as many lines. The line of least squares is ${s(lineCost.base)} and ${(lineCost.slope * 1e6).toFixed(1)} µs for each line.`,
    '',
    ...table(
      ['lines a day', 'cost, reconciled', 'µs a line', 'memory of the worker, at most'],
      byLines.map(({ lines, cost, peakMb }) => [
        number(Math.round(lines)),
        s(cost),
        ((cost / lines / GROWTH_DAYS) * 1e6).toFixed(1),
        mb(peakMb),
      ]),
    ),
    '',
    `Small organizations connected at once. The line of least squares is ${s(connectionCost.base)} and ${Math.round(connectionCost.slope * 1000)} ms for each.`,
    '',
    ...table(
      ['connections', 'until all are read', 'ms each', 'API, 99th percentile', 'memory of the worker, at most'],
      byConnections.map(({ organizations, all, workerPeakMb, readP99 }) => [
        number(organizations),
        s(all, 1),
        Math.round((all / organizations) * 1000).toString(),
        `${Math.round(readP99)} ms`,
        mb(workerPeakMb),
      ]),
    ),
  ];
}

function leastSquares(points: readonly (readonly [x: number, y: number])[]): { base: number; slope: number } {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([value]) => value)), mean(points.map(([, value]) => value))];
  const slope =
    points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return { base: y - slope * x, slope };
}

async function profileSection(servers: Servers): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-profile-'));
  try {
    const { parts, processes } = await withShape(servers, SHAPES.steady, MONTH, async (upstream) => {
      const deployment = await deploy(servers, upstream, ['--cpu-prof', `--cpu-prof-dir=${directory}`]);
      const before = { worker: cpuOf(deployment.pids.worker), simulator: cpuOf(upstream.pid), servers: servers.cpu() };
      await connect(deployment, upstream, MONTH);
      const used = {
        worker: cpuOf(deployment.pids.worker) - before.worker,
        postgres: servers.cpu().postgres - before.servers.postgres,
        temporal: servers.cpu().temporal - before.servers.temporal,
        'simulated Anthropic': cpuOf(upstream.pid) - before.simulator,
      };
      await deployment.close();
      return { parts: partsOf(directory), processes: used };
    });
    const busy = parts.filter(({ name }) => name !== 'idle');
    const total = busy.reduce((sum, { seconds }) => sum + seconds, 0);
    return [
      '## Where the time goes',
      '',
      'Processor time of one run of 31 days, cost and usage, by process:',
      '',
      ...table(
        ['process', 'processor time'],
        Object.entries(processes).map(([name, seconds]) => [name, s(seconds)]),
      ),
      '',
      'The main thread of the worker and its thread that reads pages, from start to end, sampled:',
      '',
      ...table(
        ['what it does', 'time', 'part'],
        busy.map(({ name, seconds }) => [name, s(seconds), `${Math.round((seconds / total) * 100)} %`]),
      ),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function authSection(servers: Servers): Promise<string[]> {
  const upstream = await startUpstream(servers, ['--days', '31']);
  const deployment = await deploy(servers, upstream);
  try {
    const { apiUrl, token, databaseUrl } = deployment;
    const cost = await measureAuth({ apiUrl, bootstrapToken: token, databaseUrl });
    const us = (value: number): string => `${Math.round(value)} µs`;
    return [
      '## Authentication',
      '',
      ...table(
        ['request', 'one after the other', 'a second, several at a time'],
        [
          ['without a token', us(cost.openUs), number(Math.round(cost.openPerSecond))],
          ['with the token of the environment', us(cost.bootstrapUs), number(Math.round(cost.bootstrapPerSecond))],
          ['with a stored token', us(cost.storedUs), number(Math.round(cost.storedPerSecond))],
        ],
      ),
    ];
  } finally {
    await deployment.close();
    await upstream.close();
  }
}

await main();
