import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { measureSeries, rowOf, type Measured } from '../../backtest/forecast.ts';
import { PUBLIC_SERIES, readSeries, simulatedSeries } from '../../backtest/series.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DATA = join(ROOT, 'backtest', 'data');
const PAGE = readFileSync(join(ROOT, 'docs', 'accuracy.md'), 'utf8');

/** Short enough for every test run; the other series are measured by `npm run backtest` alone. */
const QUICK = ['female-births', 'solar-power', 'wind-power'] as const;

/** Processors and versions of Node.js round differently, and choices of a method can tip: errors may differ by this much. */
const TOLERANCE = { relative: 0.03, points: 0.1 };
const ERRORS = ['median', 'mean', 'WAPE', 'width'];

/** The tables of the page under `### After day …`, by day and series. */
function pageRow(after: number, name: string): Map<string, string> {
  const [, table = ''] = PAGE.split(`### After day ${after}\n`);
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

function valueOf(cell: string | undefined): number {
  return Number((cell ?? '').replace(' %', ''));
}

/** The columns that got worse than the page says, with both figures. */
function worse({ name, figures }: Measured): string[] {
  return figures.flatMap((one) => {
    const said = pageRow(one.after, name);
    const columns = [...said.keys()];
    return rowOf(name, one).flatMap((cell, index) => {
      const column = columns[index] ?? '';
      if (!ERRORS.includes(column)) return [];
      const limit = valueOf(said.get(column)) * (1 + TOLERANCE.relative) + TOLERANCE.points;
      return valueOf(cell) <= limit
        ? []
        : [`${name} after day ${one.after}: ${column} is ${cell}, not ${said.get(column) ?? ''}`];
    });
  });
}

describe('docs/accuracy.md', () => {
  it('has a row for each series after each day', () => {
    for (const name of [...PUBLIC_SERIES, ...simulatedSeries().map((series) => series.name)]) {
      for (const after of [5, 10, 20]) expect(pageRow(after, name).get('median')).toMatch(/^\d+\.\d %$/);
    }
  });

  it.each(QUICK)('says no better of %s than the forecast does now, and no other months', (name) => {
    const measured = measureSeries(readSeries(DATA, name));
    expect(worse(measured)).toEqual([]);
    for (const one of measured.figures) expect(pageRow(one.after, name).get('months')).toBe(String(one.months));
  });

  it('notices when an error doubles', () => {
    const measured = measureSeries(readSeries(DATA, 'solar-power'));
    const doubled = measured.figures.map((one) => ({ ...one, median: 2 * one.median }));
    expect(worse({ ...measured, figures: doubled })).not.toEqual([]);
  });

  it('has the same baselines, which depend on the data alone', () => {
    const measured = measureSeries(readSeries(DATA, 'female-births'));
    for (const one of measured.figures) {
      const said = [...pageRow(one.after, measured.name).values()];
      const found = rowOf(measured.name, one);
      expect(said.slice(4, 8)).toEqual(found.slice(4, 8));
    }
  });
});
