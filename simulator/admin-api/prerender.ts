import type { Books } from '../organization/ledger.ts';
import { renderDay, type CostGroup, type UsageGroup } from './rows.ts';

/** A reader that asks for lines asks for these, and one that asks for totals for none. */
const GROUPINGS = {
  cost: [new Set<CostGroup>(['workspace_id', 'description']), new Set<CostGroup>()],
  usage: [
    new Set<UsageGroup>(['workspace_id', 'model', 'service_tier', 'context_window', 'inference_geo']),
    new Set<UsageGroup>(),
  ],
};

/** So many rows stand together in one text. The texts are what is served in another order at each read. */
const ROWS_PER_BLOCK = 64;

/**
 * Makes what days are answered with beforehand, so that a measurement of a reader does not measure this server. A day
 * that is restated or hidden later is made anew. Limits of rows per page count blocks from then on.
 */
export function render(books: Books): void {
  const { firstDay, startDay } = books.organization.scale;
  for (let day = firstDay; day <= startDay; day += 1) {
    const texts = renderDay(books.day(day), GROUPINGS);
    books.keepRendered(day, new Map([...texts].map(([key, rows]) => [key, inBlocks(rows)])));
  }
}

function inBlocks(rows: readonly string[]): string[] {
  const blocks: string[] = [];
  for (let at = 0; at < rows.length; at += ROWS_PER_BLOCK) {
    // Through a buffer, so that it is one flat text and not a tree of the rows, which would be kept with it.
    blocks.push(Buffer.from(rows.slice(at, at + ROWS_PER_BLOCK).join(',')).toString());
  }
  return blocks;
}
