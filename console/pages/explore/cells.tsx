import type { Column } from './columns.ts';
import { exactTitle } from './columns.ts';
import type { Figures } from './reports.ts';

/** A cell with a number: rounded to read, exact to copy. */
export function Number({ column, figures, currency }: { column: Column; figures: Figures; currency: string }) {
  const { text, exact, delta, isReason = false } = column.of(figures, currency);
  return (
    <td
      class={`r num ${isReason ? 'reason' : delta === undefined ? '' : `delta ${delta}`}`}
      title={exactTitle(exact)}
      data-exact={exact}
    >
      {text}
    </td>
  );
}
