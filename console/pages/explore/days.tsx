import { useState } from 'preact/hooks';
import { sum } from '../../format/decimal.ts';
import { exact } from '../../format/money.ts';
import { fillOf } from '../../parts/chart/geometry.ts';
import type { Bar } from '../../parts/chart.tsx';
import { Number as NumberCell, Sheet } from './cells.tsx';
import { chartFormat, columnsOf } from './columns.ts';
import { grainIn, dimensionsIn, type SpendQuery } from './query.ts';
import type { Chart } from './picture.ts';
import { MAIN, type Page } from './reports.ts';

const STEP = 120;
const STATES: Readonly<Record<Bar['state'], string>> = {
  final: 'final',
  provisional: 'provisional',
  missing: 'still to be read',
  uncovered: 'not covered',
};

/** The chart as a table: a row for each bar, a column for each series. Every number leads to its lines. */
export function Days({ query, chart, whole }: { query: SpendQuery; chart: Chart; whole: Page }) {
  const [shown, setShown] = useState(STEP);
  const hasSeries = dimensionsIn(query).length > 0;
  const columns = hasSeries ? [] : columnsOf(query).slice(1);
  const { series, bars } = chart;
  const others = chart.hasOthers ? series.length - 1 : null;
  const name = grainIn(query) ?? 'day';
  return (
    <>
      <Sheet label={`By ${name}`}>
        <thead>
          <tr>
            <th scope="col" class="label-of">
              {name}
            </th>
            {series.map((each, index) => (
              <th key={index} scope="col" class="r series">
                {hasSeries && <i class={`swatch ${fillOf(index, others)}`} />} {each}
              </th>
            ))}
            {hasSeries && (
              <th scope="col" class="r">
                Total
              </th>
            )}
            {columns.map((column) => (
              <th key={column.name} scope="col" class="r">
                {column.name}
              </th>
            ))}
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {bars.slice(0, shown).map((bar) => (
            <tr key={bar.key}>
              <th scope="row" class="bar-name">
                {bar.link === null ? bar.title : <a href={bar.link}>{bar.title}</a>}
              </th>
              {bar.values.map((value, index) => (
                <Amount key={index} query={query} value={bar.total === null ? null : value} link={linkAt(bar, index)} />
              ))}
              {hasSeries && <Amount query={query} value={bar.total} link={bar.link} />}
              {columns.map((column) => (
                <NumberCell
                  key={column.name}
                  {...{ column }}
                  figures={chart.totals.get(bar.key)?.figures ?? {}}
                  currency="USD"
                />
              ))}
              <td class="state">{[STATES[bar.state], ...bar.notes].join('. ').replace('..', '.')}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Total</th>
            {series.map((_, index) => (
              <Amount key={index} query={query} value={sum('0', ...bars.map((bar) => bar.values[index] ?? '0'))} />
            ))}
            {hasSeries && <Amount query={query} value={whole.total[MAIN[query.report]] ?? null} />}
            {columns.map((column) => (
              <NumberCell key={column.name} {...{ column }} figures={whole.total} currency="USD" />
            ))}
            <td />
          </tr>
        </tfoot>
      </Sheet>
      {bars.length > shown && (
        <button
          type="button"
          onClick={() => {
            setShown(shown + STEP);
          }}
        >{`Show ${Math.min(STEP, bars.length - shown)} more`}</button>
      )}
    </>
  );
}

function linkAt(bar: Bar, index: number): string | null {
  return bar.links?.[index] ?? bar.link;
}

function Amount({ query, value, link = null }: { query: SpendQuery; value: string | null; link?: string | null }) {
  if (value === null) return <td class="r muted">–</td>;
  const text = chartFormat(query)(value);
  return (
    <td class="r num" title={exact(value)} data-exact={value}>
      {link === null ? text : <a href={link}>{text}</a>}
    </td>
  );
}
