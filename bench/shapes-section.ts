import { DLT_WRITES, dltVersion, type DltTimes } from './dlt.ts';
import { median } from './measure.ts';
import { SHAPES, measureShape, withShape, type Shape, type ShapeRun } from './shapes.ts';
import { mb, number, s, table, times } from './text.ts';
import type { Servers } from './world.ts';

const MONTH = 31;
/** A shape that takes longer is given up. */
const WITHIN_S = 120;

/** What a shape must keep to, in floors with a key whose steps follow one another. */
const GOALS: Readonly<Record<Shape, { cost: string; whole: string }>> = {
  steady: { cost: '1.0 ×', whole: '1.7 ×' },
  churn: { cost: '2.0 ×', whole: '2.8 ×' },
  spaced: { cost: '', whole: '' },
};

/** How much longer a byte of spaced pages may take. */
const SPACED_GOAL = '1.15 ×';

interface Row {
  readonly name: string;
  readonly text: (runs: readonly ShapeRun[]) => string;
  readonly goal?: string;
  /** The goal of one shape, where they differ. */
  readonly goalOf?: (shape: Shape) => string;
}

interface Column {
  readonly shape: Shape;
  /** Or why there are none. */
  readonly runs: readonly ShapeRun[] | string;
}

const of =
  (figure: (run: ShapeRun) => number, text: (value: number) => string = s) =>
  (runs: readonly ShapeRun[]): string =>
    text(median(runs.map(figure)));
const most =
  (figure: (run: ShapeRun) => number, text: (value: number) => string) =>
  (runs: readonly ShapeRun[]): string =>
    text(Math.max(...runs.map(figure)));

const DLT_NAMES: Readonly<Record<keyof DltTimes, string>> = {
  append: 'dlt, without a key',
  'merge-day': 'dlt, replacing days',
  upsert: 'dlt, with a key of day and dimensions',
};

const DLT_ROWS: readonly Row[] = DLT_WRITES.map((write) => ({
  name: DLT_NAMES[write],
  text: of(({ dlt }) => dlt?.[write] ?? Number.NaN),
}));

const ROWS: readonly Row[] = [
  { name: 'floor without a key, one step after the other', text: of(({ floors }) => floors.bareInTurn) },
  { name: 'floor without a key, steps at the same time', text: of(({ floors }) => floors.bare) },
  { name: '**floor with a key**, one step after the other', text: of(({ floors }) => floors.keyedInTurn) },
  {
    name: '… processor time, of the loader and of Postgres',
    text: (runs) => `${of(({ floors }) => floors.loaderCpu)(runs)}, ${of(({ floors }) => floors.postgresCpu)(runs)}`,
  },
  { name: 'floor with a key, steps at the same time', text: of(({ floors }) => floors.keyed) },
  ...DLT_ROWS,
  { name: '31 days of cost, reconciled', text: of(({ connected }) => connected.cost) },
  {
    name: '… in floors with a key, one step after the other',
    text: of(({ connected, floors }) => connected.cost / floors.keyedInTurn, times),
    goalOf: (shape) => GOALS[shape].cost,
  },
  { name: '… in floors with a key, at the same time', text: of((run) => run.connected.cost / run.floors.keyed, times) },
  { name: '31 days of cost and of usage', text: of(({ connected }) => connected.whole) },
  {
    name: '… in floors with a key, one step after the other',
    text: of(({ connected, floors }) => connected.whole / floors.keyedInTurn, times),
    goalOf: (shape) => GOALS[shape].whole,
  },
  {
    name: '… processor time, of the worker and of Postgres',
    text: (runs) => `${of((run) => run.workerCpu)(runs)}, ${of((run) => run.postgresCpu)(runs)}`,
  },
  { name: 'one unchanged day, no line written', text: of(({ oneDay }) => oneDay), goal: '0.35 s' },
  {
    name: '… of that, transferring the reply',
    text: of(
      (run) => run.transfer,
      (value) => s(value, 3),
    ),
  },
  { name: 'three unchanged days', text: of(({ threeDays }) => threeDays), goal: '0.55 s' },
  { name: 'memory of the worker, idle', text: of(({ connected }) => connected.idleMb, mb) },
  { name: 'memory of the worker, at most', text: most(({ connected }) => connected.peakMb, mb), goal: '300 MB' },
  {
    name: 'longest block of the worker’s event loop',
    text: most(
      (run) => run.longestBlockMs,
      (ms) => `${Math.round(ms)} ms`,
    ),
    goal: '200 ms',
  },
];

/** Measures shapes of a large organization. */
export async function shapesSection(servers: Servers, count: number, shapes: readonly Shape[]): Promise<string[]> {
  const version = await dltVersion();
  const columns: Column[] = [];
  for (const shape of shapes)
    columns.push({ shape, runs: await runsOf(servers, count, { shape, withDlt: version !== null }) });
  const texts = (row: Row): string[] => columns.map(({ runs }) => (typeof runs === 'string' ? runs : row.text(runs)));
  const goal = (row: Row): string => {
    const goals = columns.map(({ shape }) => row.goalOf?.(shape) ?? row.goal ?? '').filter(Boolean);
    return [...new Set(goals)].join(', ');
  };
  return [
    '## A large organization',
    '',
    `Costs of ${MONTH} days; medians of ${count} runs, memory and blocks the most of them. ${dltSentence(version)}`,
    '',
    ...columns.map(({ shape, runs }) => `- *${shape}*: ${typeof runs === 'string' ? runs : sizeOf(runs)}`),
    '',
    ...table(
      ['what', ...shapes, 'goal'],
      ROWS.filter((row) => version !== null || !DLT_ROWS.includes(row))
        .map((row) => [row.name, ...texts(row), goal(row)])
        .concat(comparedWithSteady(columns)),
    ),
  ];
}

/** How long a byte of cost takes, if the steady shape was measured beside others. */
function comparedWithSteady(columns: readonly Column[]): string[][] {
  const nsPerByte = ({ runs }: Column): number =>
    typeof runs === 'string'
      ? Number.NaN
      : median(runs.map(({ connected, floors }) => (connected.cost / floors.bytes) * 1e9));
  const steady = columns.find(({ shape }) => shape === 'steady');
  if (steady === undefined || columns.length === 1) return [];
  const ratios = columns.map((column) => times(nsPerByte(column) / nsPerByte(steady)));
  return [['cost, time for each byte, compared with steady', ...ratios, `spaced ${SPACED_GOAL}`]];
}

function dltSentence(version: string | null): string {
  return version === null
    ? 'dlt was not there: METERLINE_BENCH_PYTHON names no Python that has it, PyArrow and the ADBC driver for Postgres.'
    : `dlt reads the same pages and loads Arrow tables over ADBC, see bench/dlt/load.py (${version}).`;
}

function sizeOf(runs: readonly ShapeRun[]): string {
  const [first] = runs;
  return first === undefined ? '' : `${number(first.connected.lines)} lines, ${mb(first.floors.bytes / 1e6)}`;
}

/** The runs of one shape, or why there are none. */
async function runsOf(
  servers: Servers,
  count: number,
  { shape, withDlt }: { shape: Shape; withDlt: boolean },
): Promise<ShapeRun[] | string> {
  return withShape(servers, SHAPES[shape], MONTH, async (upstream) => {
    const runs: ShapeRun[] = [];
    try {
      for (let run = 0; run < count; run += 1) {
        runs.push(await measureShape(servers, upstream, { days: MONTH, withDlt, withinS: WITHIN_S }));
        console.error(`${shape}: ${JSON.stringify(runs.at(-1))}`);
      }
      return runs;
    } catch (error) {
      // One shape that fails must not hide the figures of the others.
      return error instanceof Error ? error.message : String(error);
    }
  });
}
