import { connectCounting, SHAPES, withShape } from './shapes.ts';
import { measureFloor } from './floor.ts';
import { median } from './measure.ts';
import { addDays, daysIn, dayOf } from '../domain/days.ts';
import { mb, s, table, times } from './text.ts';
import { deploy, type Servers, type Upstream } from './world.ts';

const DAYS = 8;
const WITHIN_S = 60;

/** The arguments of the simulator for each way to spell the same lines. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  compact: [],
  'a space after each comma and colon': ['--spacing', 'spaced'],
  'a line for each field': ['--spacing', 'pretty'],
  'another order of fields each day': ['--keys', 'by-day'],
  'another order of fields in each row': ['--keys', 'by-row'],
  'an unknown field': ['--extra', 'flat'],
  'an unknown field with an object': ['--extra', 'nested'],
  'descriptions with quotes, as escapes': ['--descriptions', 'quoted', '--escapes'],
  'descriptions of 1,000 characters': ['--descriptions', 'long'],
  'rows in one order': ['--rows', 'sorted'],
  'all of them': [
    ...['--spacing', 'pretty', '--keys', 'by-row', '--extra', 'nested'],
    ...['--descriptions', 'quoted', '--escapes'],
  ],
};

interface SpellingRun {
  readonly cost: number;
  readonly floor: number;
  readonly bytes: number;
  readonly longestBlockMs: number;
}

/** Measures whether some spelling of the same lines takes longer than others, byte by byte. */
export async function spellingsSection(servers: Servers, runs: number): Promise<string[]> {
  const rows: string[][] = [];
  let compact: number | null = null;
  for (const [name, args] of Object.entries(SPELLINGS)) {
    const measured = await withShape(servers, [...SHAPES.steady, ...args], DAYS, (upstream) =>
      runsOf(servers, upstream, runs),
    );
    if (typeof measured === 'string') {
      rows.push([name, measured, '', '', '', '']);
      continue;
    }
    const of = (figure: (run: SpellingRun) => number): number => median(measured.map(figure));
    const nsPerByte = of(({ cost, bytes }) => (cost / bytes) * 1e9);
    compact ??= nsPerByte;
    rows.push([
      name,
      mb(of(({ bytes }) => bytes / 1e6)),
      s(of(({ cost }) => cost)),
      `${nsPerByte.toFixed(1)} ns`,
      times(nsPerByte / compact),
      times(of(({ cost, floor }) => cost / floor)),
      `${Math.round(Math.max(...measured.map((run) => run.longestBlockMs)))} ms`,
    ]);
  }
  return [
    '## Ways to spell the same lines',
    '',
    `Costs of ${DAYS} days of the steady organization, medians of ${runs} runs. No spelling may take more than 1.15 × the time of the first, byte by byte.`,
    '',
    ...table(
      ['pages with', 'size', 'cost, reconciled', 'a byte', 'of compact', 'in floors with a key', 'longest block'],
      rows,
    ),
  ];
}

async function runsOf(servers: Servers, upstream: Upstream, count: number): Promise<SpellingRun[] | string> {
  const today = dayOf(Date.now());
  const days = daysIn({ from: addDays(today, 1 - DAYS), to: today });
  const from = { upstream: upstream.url, key: upstream.key, databaseUrl: await servers.newDatabase(), days };
  const runs: SpellingRun[] = [];
  for (let run = 0; run < count; run += 1) {
    const { total: floor, bytes } = await measureFloor({ ...from, inTurn: true, keyed: true });
    const deployment = await deploy(servers, upstream);
    try {
      const { connected } = await connectCounting(servers, deployment, upstream, { days: DAYS, withinS: WITHIN_S });
      runs.push({ cost: connected.cost, floor, bytes, longestBlockMs: deployment.longestBlockMs() });
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await deployment.close();
    }
  }
  return runs;
}
