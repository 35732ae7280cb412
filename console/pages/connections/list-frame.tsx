import type { ComponentChildren } from 'preact';
import type { Asked } from '../../api/use-reply.ts';
import { Failure, Loading } from '../../parts/messages.tsx';
import { Pager, type Pages } from '../../parts/pager.tsx';

interface Page<Row> {
  readonly data: readonly Row[];
  readonly next: string | null;
}

/** A page of a list as a table, or what stands in its place. */
export function ListFrame<Row>(props: {
  asked: Asked<Page<Row>>;
  pages: Pages;
  /** What the rows are, in the plural and in small letters. */
  what: string;
  /** What to say if there are none. */
  none: string;
  heads: readonly string[];
  row: (row: Row) => ComponentChildren;
}) {
  const { asked, pages, what, none, heads, row } = props;
  const { data, error } = asked;
  return (
    <div>
      {error !== null && <Failure error={error} retry={asked.reload} />}
      {data === null ? (
        error === null && <Loading what={what} />
      ) : data.data.length === 0 ? (
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
            <tbody>{data.data.map(row)}</tbody>
          </table>
        </div>
      )}
      {data !== null && <Pager pages={pages} next={data.next} what={what} />}
    </div>
  );
}
