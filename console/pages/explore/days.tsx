import { useState } from 'preact/hooks';
import { sum } from '../../format/decimal.ts';
import { exact } from '../../format/money.ts';
import { fillOf } from '../../parts/chart/geometry.ts';
import type { Bar } from '../../parts/chart/model.ts';
import { UnusualLinks } from '../../parts/unusual.tsx';
import { Table } from '../../parts/table.tsx';
import { Number as NumberCell } from './cells.tsx';
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
  const hasSeries = dimensionsIn(query).length > 0;
  const columns = hasSeries ? [] : columnsOf(query).slice(1);
  const heads = [...seriesOf(chart, hasSeries), ...(hasSeries ? ['Total'] : []), ...columns.map(({ name }) => name)];
  return (
    <>
      <Table
        label={`By ${grainIn(query) ?? 'day'}`}
        heads={[grainIn(query), ...heads, 'State']}
        numbers={heads.map((_, index) => index + 1)}
        foot={
          <>
            <th scope="row">Total</th>
            {chart.series.map((_, index) => (
              <Amount key={index} query={query} value={sum('0', ...bars.map((bar) => bar.values[index] ?? '0'))} />
            ))}
            {hasSeries && <Amount query={query} value={whole.total[MAIN[query.report]] ?? null} />}
            {columns.map((column) => (
              <NumberCell key={column.name} {...{ column }} figures={whole.total} currency="USD" />
            ))}
            <td />
          </>
        }
      >
        {bars.slice(0, shown).map((bar) => (
          <Row key={bar.key} {...{ query, bar, columns }} figures={chart.totals.get(bar.key)?.figures ?? {}} />
        ))}
      </Table>
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

/** The heads of the columns that the chart has as series, with their colours if there are several. */
function seriesOf({ series, hasOthers }: Chart, hasColours: boolean) {
  return series.map((each, index) => (
    <span class="series">
      {hasColours && <i class={`swatch ${fillOf(index, hasOthers ? series.length - 1 : null)}`} />} {each}
    </span>
  ));
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
