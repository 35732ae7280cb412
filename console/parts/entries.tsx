import type { ComponentChildren } from 'preact';
import type { List } from '../client/use-list.ts';
import { Await } from './await.tsx';
import { More } from './more.tsx';

/** A list whose rows have more words than a table takes, or what stands in its place. */
export function Entries<Row>(props: {
  list: Pick<List<Row>, 'rows' | 'error' | 'reload' | 'more' | 'isLoading'>;
  /** What the rows are, in the plural and in small letters. */
  what: string;
  /** What stands in its place if there are none. */
  none: ComponentChildren;
  row: (row: Row) => ComponentChildren;
}) {
  const { list, what, none, row } = props;
  return (
    <>
      <Await of={{ ...list, data: list.rows }} what={what}>
        {(rows) =>
          rows.length === 0 ? (
            none
          ) : (
            <ul class="entries" aria-label={`The ${what}`}>
              {rows.map(row)}
            </ul>
          )
        }
      </Await>
      <More list={list} />
    </>
  );
}
