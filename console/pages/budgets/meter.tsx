import type { Budget } from './words.ts';

/** What is spent, what is expected and the limit, as a bar. The words beside it say the same. */
export function Meter({ budget: { amount, spent, forecast } }: { budget: Budget }) {
  const whole = Math.max(...[amount, spent, forecast.high ?? '0'].map(Number)) || 1;
  const at = (value: string): string => `${(Math.max(0, Number(value)) / whole) * 100}%`;
  return (
    <div class="meter" aria-hidden="true">
      {forecast.mean !== null && <i class="expected" style={{ width: at(forecast.mean) }} />}
      <i class={Number(spent) > Number(amount) ? 'over' : ''} style={{ width: at(spent) }} />
      <b style={{ left: at(amount) }} />
    </div>
  );
}
