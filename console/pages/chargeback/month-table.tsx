import { useState } from 'preact/hooks';
import type { Reply } from '../../client/client.ts';
import { difference, signOf, sum } from '../../format/decimal.ts';
import { Table } from '../../parts/table.tsx';
import { valueOf } from '../explore/reports.ts';
import { Amount, ShareCell } from './figure.tsx';
import { groupLabel } from './group-field.tsx';
import { placeOf } from './place.ts';
import { centerName } from './words.ts';

type Month = Reply<'/v1/chargeback/{month}'>;
type Row = Month['data'][number];

const STEP = 100;
const PARTS = ['direct', 'shared', 'adjustment'] as const;

/** The rows of a month, the largest first and what belongs to nobody last, up to the total. */
export function MonthTable({ data, revision }: { data: Month; revision: string | null }) {
  const [shown, setShown] = useState(STEP);
  const rows = inOrder(data);
  const whole = sum(data.total, data.total_adjustment);
  const left = rows.length - shown;
  return (
    <>
      <Table
        label="Amounts by group"
        heads={[...data.group_by.map(groupLabel), 'Amount', 'Share', 'Direct', 'Shared', 'Adjustment']}
        numbers={[0, 2, 3, 4].map((place) => place + data.group_by.length)}
        foot={
          <>
            <th scope="row" colspan={data.group_by.length}>
              {data.other_currencies.length === 0 ? 'Total' : 'Total, in dollars'}
            </th>
            <Amount value={whole} />
            <td />
            <Totals data={data} />
          </>
        }
      >
        {rows.slice(0, shown).map((row, index) => (
          <MonthRow key={index} {...{ data, row, whole, revision }} />
        ))}
        {rows.length === 0 && (
          <tr>
            <td colspan={data.group_by.length + 5} class="muted">
              Nothing was spent.
            </td>
          </tr>
        )}
      </Table>
      {left > 0 && (
        <div>
          <button
            type="button"
            onClick={() => {
              setShown(shown + STEP);
            }}
          >{`Show ${Math.min(left, STEP)} more of ${left}`}</button>
        </div>
      )}
    </>
  );
}

/** The sums of the columns. Only the API's own totals count where the page has not every row. */
function Totals({ data }: { data: Month }) {
  if (data.next !== null) {
    return (
      <>
        <td colspan={2} />
        <Amount value={data.total_adjustment} />
      </>
    );
  }
  const total = (part: 'direct' | 'shared'): string => sum('0', ...data.data.map((row) => row[part]));
  return (
    <>
      <Amount value={total('direct')} />
      <Amount value={total('shared')} />
      <Amount value={data.total_adjustment} />
    </>
  );
}

function MonthRow(props: { data: Month; row: Row; whole: string; revision: string | null }) {
  const { data, row, whole, revision } = props;
  const isNobody = isOfNobody(row);
  return (
    <tr class={isNobody ? 'of-nobody' : ''}>
      {data.group_by.map((group, index) => {
        const cell = <GroupCell {...{ group, row, revision }} month={data.month} />;
        return index === 0 ? (
          <th key={group} scope="row" class="name">
            {cell}
          </th>
        ) : (
          <td key={group} class="name">
            {cell}
          </td>
        );
      })}
      <Amount value={row.amount} />
      <ShareCell amount={row.amount} whole={whole} isMuted={isNobody} />
      {PARTS.map((part) => (
        <Amount key={part} value={row[part]} />
      ))}
    </tr>
  );
}

function GroupCell(props: { group: string; row: Row; month: string; revision: string | null }) {
  const { group, row, month, revision } = props;
  if (group === 'cost_center') {
    const center = row.cost_center ?? null;
    return <a href={placeOf(month, 'lines', { cost_center: center ?? '', revision })}>{centerName(center)}</a>;
  }
  const { id, name } = valueOf(group, Object.getOwnPropertyDescriptor(row, group)?.value);
  return <span class={id === null && group !== 'workspace' ? 'muted' : ''}>{name}</span>;
}

function isOfNobody(row: Row): boolean {
  return row.cost_center === null;
}

/** The cost centers with the largest amount first, and nobody last; within each the largest row first, or the first day. */
function inOrder({ data, group_by: groupBy }: Month): readonly Row[] {
  const isByTime = groupBy.some((group) => group === 'day' || group === 'week' || group === 'month');
  const amounts = new Map<string, string[]>();
  const keyOf = (row: Row): string => (groupBy.includes('cost_center') ? (row.cost_center ?? '') : '');
  for (const row of data) {
    const own = amounts.get(keyOf(row));
    if (own === undefined) amounts.set(keyOf(row), [row.amount]);
    else own.push(row.amount);
  }
  const totals = new Map([...amounts].map(([key, all]) => [key, sum(...all)]));
  const totalOf = (row: Row): string => totals.get(keyOf(row)) ?? '0';
  return [...data].sort((a, b) => {
    if (isOfNobody(a) !== isOfNobody(b)) return isOfNobody(a) ? 1 : -1;
    const byCenter = signOf(difference(totalOf(b), totalOf(a)));
    if (byCenter !== 0 || isByTime) return byCenter;
    return signOf(difference(b.amount, a.amount));
  });
}
