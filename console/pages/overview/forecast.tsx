import type { Schema } from '../../client/client.ts';
import { longDay } from '../../format/days.ts';
import { percent, usd } from '../../format/money.ts';
import { methodText } from './ahead.ts';

type Forecast = Schema<'Forecast'>;

/** What this month is expected to come to, by which method, and how far that was off on this very data; or why nobody can say. */
export function Expected({ forecast }: { forecast: Forecast }) {
  const { total, method, reason, backtest, through } = forecast;
  return (
    <div class="ahead">
      <h2 class="muted">{`Expected by ${longDay(through)}`}</h2>
      <div class="mid num" data-exact={total?.mean}>
        {total === null ? '–' : usd(total.mean)}
      </div>
      {total === null || method === null ? (
        <p class="muted">{`No forecast: ${reason ?? ''}`}</p>
      ) : (
        <p class="muted num">{`This month is expected to come to ${usd(total.mean)} (80 %: ${usd(total.low)} to ${usd(total.high)}).`}</p>
      )}
      {method !== null && <p class="faint small">{`Method: ${methodText(method)}. ${errorText(backtest)}`}</p>}
    </div>
  );
}

function errorText(backtest: Forecast['backtest']): string {
  if (backtest === null) return 'There is too little past to say how far it is off.';
  const { origins, error, bias, coverage } = backtest;
  const [off, size, held] = [error, Math.abs(bias), coverage].map(percent);
  return `Repeated from ${origins} past days of this very data, it was off by ${off ?? ''} on average, ${size ?? ''} too ${bias < 0 ? 'low' : 'high'}, and its band held ${held ?? ''} of what came.`;
}
