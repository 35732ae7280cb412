import { searchOf } from '../../client/client.ts';
import { longDay, range, shortDay } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { bandNote } from '../../parts/band.ts';
import { Legend, StackedBars } from '../../parts/chart.tsx';
import type { Bar, Level } from '../../parts/chart/model.ts';
import { Table } from '../../parts/table.tsx';
import { linkTo } from '../../route.ts';
import { expectedText, spentText, thresholdText, type Budget } from './words.ts';

const SERIES = ['Spent'];

/** The period of a budget: what is spent by the end of each day, what is expected, the limit and the thresholds. */
export function BudgetChart({ budget }: { budget: Budget }) {
  const bars = barsOf(budget);
  const { from, to } = budget.current;
  return (
    <div>
      <StackedBars
        title={`Spent by the end of each day, ${range(from, to)}`}
        series={SERIES}
        bars={bars}
        levels={levelsOf(budget)}
        says={`${spentText(budget)}; ${expectedText(budget)}.`}
        format={usd}
      />
      <Legend series={SERIES} bars={bars} />
      <details>
        <summary>The days as a table</summary>
        <Table label="Spent by the end of each day" heads={['Day', 'By its end', 'Notes']} numbers={[1]} wrap="tall">
          {bars.map(({ key, title, total, state, notes, link }) => (
            <tr key={key}>
              <th scope="row">{link === null ? title : <a href={link}>{title}</a>}</th>
              <td class="r num" data-exact={total}>
                {usd(total ?? '0')}
              </td>
              <td>{[state, ...notes].join('. ')}</td>
            </tr>
          ))}
        </Table>
      </details>
    </div>
  );
}

/** A bar for each day: up to today what is spent by its end, after it what is expected to be. */
function barsOf({ days, forecast, filters }: Budget): Bar[] {
  const last = days.at(-1)?.day ?? '';
  const linkOf = (day: string): string | null =>
    filters === null
      ? null
      : linkTo(['explore'], searchOf({ report: 'costs', from: day, to: day, group_by: 'workspace,model', ...filters }));
  const common = (day: string, value: string) => ({
    ...{ key: day, label: shortDay(day), title: longDay(day), values: [value], total: value },
    isRestated: false,
  });
  return [
    ...days.map(({ day, spent, state }) => ({ ...common(day, spent), state, notes: [], link: linkOf(day) })),
    ...forecast.days.flatMap(({ day, mean, ...band }): Bar[] =>
      day <= last ? [] : [{ ...common(day, mean), state: 'forecast', notes: [bandNote(band)], link: null, band }],
    ),
  ];
}

function levelsOf({ amount, thresholds }: Budget): Level[] {
  const told = thresholds.filter((each) => Number(each.amount) !== Number(amount));
  return [
    { value: amount, name: `Limit ${usd(amount)}`, isLimit: true },
    ...told.map((each) => ({ value: each.amount, name: thresholdText(each), isLimit: false })),
  ];
}
