import type { Day } from '../../domain/days.ts';
import { isMonth, type Month } from '../../domain/months.ts';
import type { Db } from '../../db/core/database.ts';
import { closeRefusal, planForManyRows, reportsOf, type CloseRefusal } from '../../db/allocation/close.ts';
import { closedLines, openLines } from '../../db/allocation/lines.ts';
import { readOpenMonth, rulesOfStatements, type ReadMonth, type RulesOf } from '../../db/allocation/months.ts';
import { closedSource, monthQuery, openSource, type Source } from '../../db/allocation/source.ts';
import { findStatement, type Statement } from '../../db/allocation/statements.ts';
import { readCompleteness, type Completeness } from '../../db/spend/completeness.ts';
import { giveRoom } from '../../db/spend/rows.ts';
import { Problem, invalid } from '../http/problems.ts';
import type { SQL } from 'drizzle-orm';

/** What a request is about. */
export interface MonthRequest {
  readonly month: Month;
  readonly revision: number | null;
  readonly connections: readonly string[] | null;
  readonly today: Day;
}

/** A month as it stands: of the ledger while it is open, and of its statement once it is closed. */
export type ShownMonth =
  | { readonly state: 'open'; readonly month: Month; readonly open: ReadMonth; readonly statement: null }
  | { readonly state: Statement['state']; readonly month: Month; readonly open: null; readonly statement: Statement };

/** The month of a path. Throws `invalid_request`. */
export function monthOfPath(text: string): Month {
  if (!isMonth(text)) throw invalid('path.month', 'must be a month from 2000-01 to 2199-12, in the form YYYY-MM');
  return text;
}

/** Finds a month. Throws `not_found` for a revision that it does not have. Must run in a snapshot. */
export async function findMonth(tx: Db, { month, revision, connections, today }: MonthRequest): Promise<ShownMonth> {
  await giveRoom(tx);
  const statement = await findStatement(tx, month, revision);
  if (statement !== null) {
    await planForManyRows(tx);
    return { state: statement.state, month, open: null, statement };
  }
  if (revision !== null) throw new Problem('not_found', { detail: `${month} has no statement with this revision.` });
  return { state: 'open', month, open: await readOpenMonth(tx, month, today, connections), statement: null };
}

/** Where the lines of a month come from. */
export function sourceOf(shown: ShownMonth, connections: readonly string[] | null): Source {
  return shown.open === null ? closedSource(shown.statement.statementNo, connections) : openSource(shown.open);
}

/** The parts of a statement that end with every line of a month. */
export function linesOf({ open, statement }: ShownMonth): SQL[] {
  return open === null ? closedLines(statement.statementNo) : openLines(open);
}

/** The version of the document of a month; null if there is none. */
export function versionOf({ open, statement }: ShownMonth): number | null {
  return open === null ? statement.version : (open.version?.version ?? null);
}

/** How certain a month is: as its statement says, or as the days of these connections are now. */
export async function completenessOf(tx: Db, shown: ShownMonth, request: MonthRequest): Promise<Completeness> {
  if (shown.open === null) return shown.statement;
  const { connections } = request;
  const filters =
    connections === null ? [] : [{ dimension: 'connection' as const, excludes: false, values: connections }];
  return readCompleteness(tx, { ...monthQuery(request.month, request.today), filters }, reportsOf(shown.open.version));
}

/** Why a month cannot be closed; null if it can, or is closed. */
export async function refusalOf(
  tx: Db,
  shown: ShownMonth,
  { month, today }: MonthRequest,
): Promise<CloseRefusal | null> {
  return shown.open === null ? null : closeRefusal(tx, month, today);
}

/** By which rules each line of a month was allocated, by its `rulesOf`. */
export async function rulesIn(
  tx: Db,
  shown: ShownMonth,
  lines: readonly { rulesOf: number }[],
): Promise<Map<number, RulesOf>> {
  const numbers = [...new Set(lines.map(({ rulesOf }) => rulesOf))].filter((number) => number > 0);
  const rules = await rulesOfStatements(tx, numbers);
  if (shown.open !== null) {
    const { version, allocation, month } = shown.open;
    rules.set(0, {
      month,
      version: version?.version ?? null,
      rules: (allocation?.rules ?? []).map(({ name }) => name),
    });
  }
  return rules;
}
