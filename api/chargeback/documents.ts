import type { z } from 'zod';
import { subtractDecimals } from '../../domain/money.ts';
import type { Group } from '../../domain/spend/query.ts';
import { DEFAULT_WORKSPACE } from '../../domain/workspaces.ts';
import type { CloseRefusal } from '../../db/allocation/close.ts';
import type { CenterGroup, ChargedRow, UnallocatedGroup } from '../../db/allocation/rows.ts';
import type { Statement } from '../../db/allocation/statements.ts';
import type { GroupRow } from '../../db/spend/groups.ts';
import { groupColumns, groupFields, type Column } from '../spend/documents.ts';
import type { chargeback, statementOut } from './schemas.ts';

type Chargeback = z.input<typeof chargeback>;

/** The groups that a spend query knows too, and a row as such a query has it. */
function spendGroups(groupBy: readonly CenterGroup[]): { groupBy: Group[]; rowOf: (row: ChargedRow) => GroupRow } {
  const place = groupBy.indexOf('cost_center');
  return {
    groupBy: groupBy.filter((group) => group !== 'cost_center'),
    rowOf: (row) => ({ ...row, key: row.key.filter((_, index) => index !== place) }),
  };
}

/** A row as JSON. */
export function rowDocument(groupBy: readonly CenterGroup[], row: ChargedRow): Chargeback['data'][number] {
  const { groupBy: groups, rowOf } = spendGroups(groupBy);
  const place = groupBy.indexOf('cost_center');
  const { direct, shared, adjustment, amount } = row;
  return {
    ...(place < 0 ? {} : { cost_center: row.key[place] ?? null }),
    ...groupFields({ groupBy: groups }, rowOf(row)),
    direct,
    shared,
    adjustment,
    amount,
  };
}

/** The columns of rows in CSV. */
export function rowColumns(groupBy: readonly CenterGroup[]): Column<ChargedRow>[] {
  const { rowOf } = spendGroups(groupBy);
  const groups = groupBy.filter((group) => group !== 'cost_center');
  const columnsOf = (group: CenterGroup): Column<ChargedRow>[] => {
    if (group === 'cost_center') {
      const place = groupBy.indexOf('cost_center');
      return [{ name: 'cost_center', isNumber: false, of: (row) => row.key[place] ?? null }];
    }
    const place = groups.indexOf(group);
    return groupColumns({ groupBy: [group] }).map(({ of, ...column }) => ({
      ...column,
      of: (row) => of({ ...row, key: [rowOf(row).key[place] ?? null] }),
    }));
  };
  const amounts = (['direct', 'shared', 'adjustment', 'amount'] as const).map((name): Column<ChargedRow> => ({
    name,
    isNumber: true,
    of: (row) => row[name],
  }));
  return [...groupBy.flatMap(columnsOf), ...amounts];
}

/** A group that belongs to nobody. */
export function unallocatedDocument(group: UnallocatedGroup): Chargeback['unallocated']['largest'][number] {
  const { workspace, workspaceName, model, costType, pool, amount } = group;
  return {
    why: pool === null ? 'no_rule' : 'pool_without_recipients',
    pool,
    workspace: { id: workspace, name: workspaceName ?? workspace ?? DEFAULT_WORKSPACE },
    model,
    cost_type: costType,
    amount,
  };
}

/** What a statement says beside its rows. */
export function statementFacts(statement: Statement): NonNullable<Chargeback['statement']> {
  const { closedAt, closedBy, override, invoiceAmount, total, lines, hash } = statement;
  return {
    at: closedAt,
    by: closedBy,
    override,
    invoice_amount: invoiceAmount,
    invoice_difference: invoiceAmount === null ? null : subtractDecimals(invoiceAmount, total),
    lines,
    sha256: hash,
  };
}

/** How a statement was replaced; null if it counts. */
export function reopenedFacts({ reopenedAt, reopenedBy, reopenReason }: Statement): Chargeback['reopened'] {
  if (reopenedAt === null || reopenedBy === null || reopenReason === null) return null;
  return { at: reopenedAt, by: reopenedBy, reason: reopenReason };
}

/** A statement without its rows. */
export function statementDocument(statement: Statement): Omit<z.input<typeof statementOut>, 'month'> {
  return {
    revision: statement.revision,
    state: statement.state,
    version: statement.version,
    total: statement.total,
    total_adjustment: statement.totalAdjustment,
    provisional_days: statement.provisionalDays,
    missing_days: statement.missingDays,
    uncovered_days: statement.uncoveredDays,
    ...statementFacts(statement),
    reopened: reopenedFacts(statement),
  };
}

/** Whether a month can be closed, for people. */
export function closableDocument(refusal: CloseRefusal | null): NonNullable<Chargeback['closable']> {
  return {
    possible: refusal === null,
    why: refusal === null ? null : sentenceOf(refusal),
    needs_override: refusal?.why === 'uncertain',
    days: refusal?.why === 'uncertain' ? [...refusal.days] : [],
  };
}

const NAMED_DAYS = 31;

/** Why a month is not closed, as a sentence. */
export function sentenceOf(refusal: CloseRefusal): string {
  switch (refusal.why) {
    case 'not_over':
      return 'The month is not over yet.';
    case 'closed':
      return 'The month is closed already.';
    case 'before_first':
      return refusal.first === null
        ? 'No connection has costs yet.'
        : `No connection reaches back to this month; the first one with costs is ${refusal.first}.`;
    case 'out_of_order':
      return `Months are closed in their order, and the next one is ${refusal.next}.`;
    case 'uncertain': {
      const named = refusal.days
        .slice(0, NAMED_DAYS)
        .map(({ day, state, flagged }) => `${day} is ${flagged ? 'flagged' : state}`);
      return `Days are not certain: ${named.join(', ')}. Wait for them, or close the month with an "override" that says why.`;
    }
  }
}
