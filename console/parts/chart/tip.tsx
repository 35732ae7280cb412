import { signOf } from '../../format/decimal.ts';
import type { Bar } from './model.ts';
import { fillOf } from './geometry.ts';
import { STATES } from './words.ts';

interface TipProps {
  readonly bar: Bar;
  readonly series: readonly string[];
  readonly others: number | null;
  readonly format: (amount: string) => string;
  /** The middle of the bar, and the width of the chart, in pixels. */
  readonly middle: number;
  readonly width: number;
}

/** What a bar says, beside it. Whoever listens hears the same from the bar itself. */
export function Tip({ bar, series, others, format, middle, width }: TipProps) {
  const place = middle > width / 2 ? { right: `${width - middle + 12}px` } : { left: `${middle + 12}px` };
  return (
    <div class="tip" aria-hidden="true" style={place}>
      <strong>{bar.title}</strong>
      {bar.total !== null && <div class="num">{format(bar.total)}</div>}
      {series.length > 1 && (
        <table>
          <tbody>
            {bar.values.map((value, index) =>
              signOf(value) === 0 ? null : (
                <tr key={index}>
                  <td>
                    <i class={`swatch ${fillOf(index, others)}`} /> {series[index]}
                  </td>
                  <td class="r num">{format(value)}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      )}
      {[STATES[bar.state], ...bar.notes].filter(Boolean).map((note) => (
        <div key={note}>{note}</div>
      ))}
    </div>
  );
}
