import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anomalyRow, measureAnomalies, type AnomalyFigures } from '../../backtest/anomalies.ts';
import { measureSeries, rowOf, type Measured } from '../../backtest/forecast.ts';
import { PUBLIC_SERIES, readSeries, simulatedSeries } from '../../backtest/series.ts';
import { SENSITIVITIES } from '../../domain/anomalies/incident.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DATA = join(ROOT, 'backtest', 'data');
const PAGE = readFileSync(join(ROOT, 'docs', 'accuracy.md'), 'utf8');
const ALL = [...PUBLIC_SERIES, ...simulatedSeries().map(({ name }) => name)];

/** Short enough for every test run; the other series are measured by `npm run backtest` alone. */
const QUICK = ['female-births', 'solar-power'] as const;
const QUICK_ANOMALIES = ['electricity', 'solar-power'] as const;

/** Processors and versions of Node.js round differently, and choices of a method can tip: errors may differ by this much. */
const TOLERANCE = { relative: 0.03, points: 0.1 };
const ERRORS = ['median', 'mean', 'WAPE', 'width'];
/** A total on the edge of its band, an incident on the edge of being one, and an event on the edge of being found. */
const EDGE = { held: 1, falseAYear: 1.1, foundPercent: 5 };

/** A row of the table under a heading of the page, by column. */
function pageRow(heading: string, name: string): Map<string, string> {
  const [, table = ''] = PAGE.split(`### ${heading}\n`);
  const lines = (table.split('\n### ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  const [columns = [], , ...rows] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const row = rows.find(([first]) => first === name) ?? [];
  return new Map(columns.map((column, index) => [column, row[index] ?? '']));
}

/** The number that a cell begins with; NaN if it has none. */
function valueOf(cell: string | undefined): number {
  return Number.parseFloat(cell ?? '');
}

/** The columns in which a row got worse than the page says by more than is allowed, with both figures. */
function worseThan(
  heading: string,
  row: readonly string[],
  isWorse: (column: string, now: number, said: number) => boolean,
): string[] {
  const said = pageRow(heading, row[0] ?? '');
  return [...said.keys()].flatMap((column, index) =>
    isWorse(column, valueOf(row[index]), valueOf(said.get(column)))
      ? [`${row[0] ?? ''}, ${heading}: ${column} is ${row[index] ?? ''}, not ${said.get(column) ?? ''}`]
      : [],
  );
}

function worseForecasts({ name, figures }: Measured): string[] {
  return figures.flatMap((one) =>
    worseThan(`After day ${one.after}`, rowOf(name, one), (column, now, said) => {
      if (column === 'band') return !(now >= said - EDGE.held);
      return ERRORS.includes(column) && !(now <= said * (1 + TOLERANCE.relative) + TOLERANCE.points);
    }),
  );
}

function worseAnomalies(figures: readonly AnomalyFigures[]): string[] {
  return figures.flatMap((one) =>
    worseThan(`Sensitivity ${one.sensitivity}`, anomalyRow(one), (column, now, said) => {
      if (column === 'false a year') return !(now <= said + EDGE.falseAYear);
      return /^[×+]/.test(column) && !(now >= said - EDGE.foundPercent);
    }),
  );
}

describe('docs/accuracy.md about the forecast', () => {
  const measured = QUICK.map((name) => measureSeries(readSeries(DATA, name)));

  it('has a row for each series after each day', () => {
    for (const name of ALL) {
      for (const after of [5, 10, 20]) expect(pageRow(`After day ${after}`, name).get('median')).toMatch(/^\d+\.\d %$/);
    }
  });

  it('says no better of the quick series than the forecast does now, and no other months', () => {
    expect(measured.flatMap(worseForecasts)).toEqual([]);
    for (const { name, figures } of measured) {
      for (const one of figures) expect(pageRow(`After day ${one.after}`, name).get('months')).toBe(String(one.months));
    }
  });

  it('would notice if an error doubled, or if bands held fewer totals', () => {
    const worsened = measured.map((series) => ({
      ...series,
      figures: series.figures.map((one) => ({ ...one, mean: 2 * one.mean, held: one.held - 3 })),
    }));
    expect(worsened.flatMap(worseForecasts)).toHaveLength(worsened.length * 3 * 2);
  });

  it('has the baselines that the data give', () => {
    for (const { name, figures } of measured) {
      for (const one of figures) {
        const said = [...pageRow(`After day ${one.after}`, name).values()];
        expect(said.slice(4, 8)).toEqual(rowOf(name, one).slice(4, 8));
      }
    }
  });
});

describe('docs/accuracy.md about anomalies', () => {
  const figures = QUICK_ANOMALIES.flatMap((name) => measureAnomalies(readSeries(DATA, name)));

  it('has a row for each series at each sensitivity', () => {
    for (const name of ALL) {
      for (const sensitivity of SENSITIVITIES) {
        const row = pageRow(`Sensitivity ${sensitivity}`, name);
        expect(row.get('false a year')).toMatch(/^\d+\.\d$/);
        expect(row.get('×2')).toMatch(/^\d+ %/);
      }
    }
  });

  it('says no better of the quick series than what is found now', () => {
    expect(worseAnomalies(figures)).toEqual([]);
  });

  it('would notice false incidents, and events that are not found', () => {
    const worsened = figures.map((one) => ({
      ...one,
      falsePerYear: one.falsePerYear + 2,
      found: { ...one.found, '×3': { share: one.found['×3'].share - 0.1, days: 1 } },
    }));
    expect(worseAnomalies(worsened)).toHaveLength(figures.length * 2);
  });

  it('says of every series whether the goals at medium sensitivity are reached', () => {
    for (const name of ALL) {
      const isMissed = valueOf(pageRow('Sensitivity medium', name).get('false a year')) > 6;
      const [, goals = ''] = PAGE.split('### Goals of anomalies\n');
      const line = goals.split('\n').find((one) => one.includes('false incidents')) ?? '';
      expect(line.includes(name)).toBe(isMissed);
    }
  });
});
