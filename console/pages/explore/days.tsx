import { useState } from 'preact/hooks';
import { sum } from '../../format/decimal.ts';
import { exact } from '../../format/money.ts';
import { fillOf } from '../../parts/chart/geometry.ts';
import type { Bar } from '../../parts/chart/model.ts';
import { UnusualLinks } from '../../parts/unusual.tsx';
import { Number as NumberCell, Sheet } from './cells.tsx';
import { chartFormat, columnsOf, type Column } from './columns.ts';
import { grainIn, dimensionsIn, type SpendQuery } from './query.ts';
import type { Chart } from './picture.ts';
import { MAIN, type Figures, type Page } from './reports.ts';

const STEP = 120;
const STATES: Readonly<Record<Bar['state'], string>> = {
  final: 'Final',
  provisional: 'Provisional',
  missing: 'Still to be read',
  uncovered: 'Not covered',
  forecast: 'Expected',
};

interface DaysProps {
  readonly query: SpendQuery;
  readonly chart: Chart;
  readonly whole: Page;
}

/** The chart as a table: a row for each bar, a column for each series. Every number leads to its lines. */
export function Days({ query, chart, whole }: DaysProps) {
  const [shown, setShown] = useState(STEP);
  const { bars } = chart;
  // Without dimensions the bars have one series, and room for the other numbers of their rows.
  const columns = dimensionsIn(query).length > 0 ? [] : columnsOf(query).slice(1);
  return (
    <>
      <Sheet label={`By ${grainIn(query) ?? 'day'}`}>
        <Head {...{ query, chart, columns }} />
        <tbody>
          {bars.slice(0, shown).map((bar) => (
            <Row key={bar.key} {...{ query, bar, columns }} figures={chart.totals.get(bar.key)?.figures ?? {}} />
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Total</th>
            {chart.series.map((_, index) => (
              <Amount key={index} query={query} value={sum('0', ...bars.map((bar) => bar.values[index] ?? '0'))} />
            ))}
            {dimensionsIn(query).length > 0 && <Amount query={query} value={whole.total[MAIN[query.report]] ?? null} />}
            {columns.map((column) => (
              <NumberCell key={column.name} {...{ column }} figures={whole.total} currency="USD" />
            ))}
            <td />
          </tr>
        </tfoot>
      </Sheet>
      {bars.length > shown && (
        <div>
          <button
            type="button"
            onClick={() => {
              setShown(shown + STEP);
            }}
          >{`Show ${Math.min(STEP, bars.length - shown)} more`}</button>
        </div>
      )}
    </>
  );
}

function Head({ query, chart, columns }: { query: SpendQuery; chart: Chart; columns: readonly Column[] }) {
  const { series, hasOthers } = chart;
  const hasSeries = dimensionsIn(query).length > 0;
  return (
    <thead>
      <tr>
        <th scope="col" class="label-of">
          {grainIn(query)}
        </th>
        {series.map((each, index) => (
          <th key={index} scope="col" class="r series">
            {hasSeries && <i class={`swatch ${fillOf(index, hasOthers ? series.length - 1 : null)}`} />} {each}
          </th>
        ))}
        {[...(hasSeries ? ['Total'] : []), ...columns.map(({ name }) => name)].map((name) => (
          <th key={name} scope="col" class="r">
            {name}
          </th>
        ))}
        <th scope="col">State</th>
      </tr>
    </thead>
  );
}

function Row(props: { query: SpendQuery; bar: Bar; columns: readonly Column[]; figures: Figures }) {
  const { query, bar, columns, figures } = props;
  const isKnown = bar.total !== null;
  const links = bar.links ?? [];
  return (
    <tr>
      <th scope="row" class="bar-name">
        {bar.link === null ? bar.title : <a href={bar.link}>{bar.title}</a>}
      </th>
      {bar.values.map((value, index) => (
        <Amount key={index} query={query} value={isKnown ? value : null} link={links[index] ?? bar.link} />
      ))}
      {dimensionsIn(query).length > 0 && <Amount query={query} value={bar.total} link={bar.link} />}
      {columns.map((column) => (
        <NumberCell key={column.name} {...{ column, figures }} currency="USD" />
      ))}
      <td class="state">
        {[`${STATES[bar.state]}.`, ...bar.notes].join(' ')}
        <UnusualLinks of={bar.unusual} />
      </td>
    </tr>
  );
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
