import type { ComponentChildren } from 'preact';
import { copyExact } from './copy-exact.ts';

/** A table that scrolls by itself where it is too wide, and whose numbers are copied exactly. */
export function Table(props: {
  /** What a screen reader calls it. */
  label: string;
  heads: readonly ComponentChildren[];
  /** The columns that hold numbers, from 0 on. */
  numbers?: readonly number[];
  /** More classes of what scrolls, and of the table. */
  wrap?: string;
  class?: string;
  /** Its rows. */
  children: ComponentChildren;
  /** Its last row. */
  foot?: ComponentChildren;
}) {
  const { label, heads, numbers = [], wrap = '', class: of = '', children, foot } = props;
  return (
    <div class={`table-wrap ${wrap}`} tabindex={0} role="region" aria-label={label} onCopy={copyExact}>
      <table class={of}>
        <thead>
          <tr>
            {heads.map((head, index) => (
              <th key={index} scope="col" class={numbers.includes(index) ? 'r' : ''}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
        {foot !== undefined && (
          <tfoot>
            <tr>{foot}</tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}
