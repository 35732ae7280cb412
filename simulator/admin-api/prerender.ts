import type { Ledger } from '../organization/ledger.ts';
import { mix, shuffled } from '../random.ts';
import { rowsByGrouping, type CostGroup, type UsageGroup } from './rows.ts';
import { ROW_DEPTH, separatorsOf, type Spelling } from './spelling.ts';

/** The groupings that Meterline reads: one for lines, and none for totals. */
const GROUPINGS = {
  cost: [new Set<CostGroup>(['workspace_id', 'description']), new Set<CostGroup>()],
  usage: [
    new Set<UsageGroup>(['workspace_id', 'model', 'service_tier', 'context_window', 'inference_geo']),
    new Set<UsageGroup>(),
  ],
};

/** How many rows are joined to one text. Each read shuffles these texts instead of single rows. */
const ROWS_PER_BLOCK = 64;

/**
 * Serializes the whole history beforehand, so that a measurement of a reader does not measure this server. A day that
 * is restated or hidden later is made anew. From then on, limits of rows per page count blocks.
 */
export function prerender(ledger: Ledger, spelling: Spelling): void {
  const { firstDay, startDay } = ledger.organization.scale;
  for (let day = firstDay; day <= startDay; day += 1) {
    const rows = rowsByGrouping(ledger.day(day), GROUPINGS, spelling);
    ledger.setPrerendered(day, new Map([...rows].map(([key, texts]) => [key, inBlocks(texts, day, spelling)])));
  }
}

function inBlocks(texts: readonly string[], day: number, spelling: Spelling): string[] {
  const { comma, line } = separatorsOf(spelling);
  // Otherwise each block would have the same neighbours on all days.
  const rows = spelling.rows === 'sorted' ? texts : shuffled(texts, mix(day, texts.length));
  const blocks: string[] = [];
  for (let at = 0; at < rows.length; at += ROWS_PER_BLOCK) {
    // A buffer makes it one flat text. Without it, V8 keeps a tree of the joined rows, and all of them with it.
    blocks.push(Buffer.from(rows.slice(at, at + ROWS_PER_BLOCK).join(`${comma}${line(ROW_DEPTH)}`)).toString());
  }
  return blocks;
}
