import { instant } from '../../format/days.ts';
import { money } from '../../format/money.ts';
import { Completeness } from '../../parts/completeness.tsx';
import type { Page } from './reports.ts';

/** What belongs to every number of a reply: its days, other currencies, and when it was read. */
export function Facts({ page }: { page: Page }) {
  const { asOf, otherCurrencies } = page;
  const others = otherCurrencies.map(({ currency, amount }) => money(amount, currency));
  return (
    <div>
      <Completeness of={page} />
      {others.length > 0 && (
        <p class="muted small">{`In other currencies, and not in the sums: ${others.join(', ')}.`}</p>
      )}
      <p class="faint small">
        {asOf === null ? 'No day of it was read yet.' : `As of ${instant(asOf)}, when the newest of it was read.`}
      </p>
    </div>
  );
}
