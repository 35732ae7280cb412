import type { Reply } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { instant, longDay } from '../../format/days.ts';
import { difference, signOf } from '../../format/decimal.ts';
import { count, usd, usdChange } from '../../format/money.ts';
import { linkTo } from '../../route.ts';
import type { ListProps } from './lists.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';

type Restatement = Reply<'/v1/connections/{id}/restatements'>['data'][number];

const PAGE = 20;
const HEADS = ['Day', 'Before', 'After', 'Change', 'Lines', 'Found'];

/** What Anthropic changed after it had been read, newest first; for one day, or for all. */
export function RestatementList({ id, everyMs, day }: Omit<ListProps, 'isAdmin'> & { day?: string }) {
  const range = day === undefined ? {} : { from: day, to: day };
  const list = useList('/v1/connections/{id}/restatements', {
    ids: { id },
    query: { ...range, limit: PAGE },
    everyMs,
  });
  return (
    <ListFrame
      list={list}
      what="restatements"
      none={day === undefined ? 'No day changed after it was read.' : 'This day did not change after it was read.'}
      heads={HEADS}
      row={(restatement: Restatement) => <Row key={restatement.id} id={id} restatement={restatement} />}
    />
  );
}

function Row({ id, restatement }: { id: string; restatement: Restatement }) {
  const { day, report, before, after, at, sync } = restatement;
  const show = report === 'cost' ? usd : tokens;
  const change = difference(after, before);
  return (
    <tr>
      <th scope="row">
        <a href={linkTo(['connections', id, 'days', day])}>{longDay(day)}</a>
        <div class="faint small">{report === 'cost' ? 'Cost' : 'Usage'}</div>
      </th>
      <td class="num">{show(before)}</td>
      <td class="num">{show(after)}</td>
      <td class="num">{changeWords(change, report)}</td>
      <td>{linesWords(restatement)}</td>
      <td>
        {instant(at)}
        <div class="faint small">{`by sync ${sync}`}</div>
      </td>
    </tr>
  );
}

function tokens(amount: string): string {
  return `${count(amount)} tokens`;
}

function changeWords(change: string, report: Restatement['report']): string {
  if (signOf(change) === 0) return 'Same total: lines moved';
  if (report === 'cost') return usdChange(change);
  return `${signOf(change) > 0 ? '+' : ''}${tokens(change)}`;
}

function linesWords({ lines_added, lines_changed, lines_removed }: Restatement): string {
  const parts = [
    [lines_added, 'added'],
    [lines_changed, 'changed'],
    [lines_removed, 'removed'],
  ] as const;
  const words = parts.filter(([size]) => size > 0).map(([size, verb]) => `${size} ${verb}`);
  return words.length === 0 ? '–' : words.join(', ');
}
