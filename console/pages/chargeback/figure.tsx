import { exact, usd, usdChange } from '../../format/money.ts';
import { signOf } from '../../format/decimal.ts';

/** A cell with an amount in USD: rounded to read, exact to copy. */
export function Amount({ value, isChange = false }: { value: string; isChange?: boolean }) {
  const tone = signOf(value) === 0 ? 'faint' : '';
  return (
    <td class={`r num ${tone}`} title={exact(value)} data-exact={value}>
      {isChange ? usdChange(value) : usd(value)}
    </td>
  );
}

/** The part of a whole that an amount is, with a bar. It says nothing where amounts of both signs add up. */
export function ShareCell({ amount, whole, isMuted = false }: { amount: string; whole: string; isMuted?: boolean }) {
  const share = Number(amount) / Number(whole);
  if (signOf(whole) <= 0 || share < 0 || share > 1) return <td class="muted">–</td>;
  return (
    <td>
      <span class={`share ${isMuted ? 'nobody' : ''}`}>
        <i aria-hidden="true" style={{ width: `${share * 100}%` }} />
      </span>
      <span class="faint small num">{`${(share * 100).toFixed(1)} %`}</span>
    </td>
  );
}
