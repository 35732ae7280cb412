import type { ComponentChildren } from 'preact';
import type { List } from '../../client/use-list.ts';
import { Failure, Loading } from '../../parts/messages.tsx';
import { More } from '../../parts/more.tsx';

/** A list as a table, or what stands in its place. */
export function ListFrame<Row>(props: {
  list: List<Row>;
  /** What the rows are, in the plural and in small letters. */
  what: string;
  /** What to say if there are none. */
  none: string;
  heads: readonly string[];
  row: (row: Row) => ComponentChildren;
}) {
  const { list, what, none, heads, row } = props;
  const { rows, error } = list;
  return (
    <div>
      {error !== null && <Failure error={error} retry={list.reload} />}
      {rows === null ? (
        error === null && <Loading what={what} />
      ) : rows.length === 0 ? (
        <p class="muted">{none}</p>
      ) : (
        <div class="table-wrap" tabindex={0} role="region" aria-label={`The ${what}`}>
          <table class="wide-table">
            <thead>
              <tr>
                {heads.map((head) => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>{rows.map(row)}</tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </div>
  );
}
