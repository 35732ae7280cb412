import type { SpendQuery } from './query.ts';
import type { Page } from './reports.ts';
import { sentenceOf, type NameOf } from './words.ts';

/** Whether a reply has no row at all. */
export function isFoundEmpty(page: Page): boolean {
  return page.lines.length === 0 && page.otherCurrencies.length === 0;
}

/** Says what was asked, and that there is nothing. */
export function Nothing({ query, nameOf }: { query: SpendQuery; nameOf: NameOf }) {
  return (
    <div>
      <p>Nothing matches this query.</p>
      <p class="muted">{`${sentenceOf(query, nameOf)}.`}</p>
    </div>
  );
}
