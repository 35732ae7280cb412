import type { ComponentChildren } from 'preact';
import type { List } from '../client/use-list.ts';
import { Await } from './await.tsx';
import { More } from './more.tsx';
import { Table } from './table.tsx';

/** A list as a table, or what stands in its place. */
export function ListFrame<Row>(props: {
  list: List<Row>;
  /** What the rows are, in the plural and in small letters. */
  what: string;
  /** What to say if there are none. */
  none: ComponentChildren;
  heads: readonly string[];
  /** More classes of the table. */
  class?: string;
  row: (row: Row) => ComponentChildren;
}) {
  const { list, what, none, heads, class: of = 'wide-table', row } = props;
  return (
    <div>
      <Await of={{ ...list, data: list.rows }} what={what}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="muted">{none}</p>
          ) : (
            <Table label={`The ${what}`} heads={heads} class={of}>
              {rows.map(row)}
            </Table>
          )
        }
      </Await>
      <More list={list} />
    </div>
  );
}
