import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { monthOf, nextMonth, type Month } from '../../domain/months.ts';
import { numberArray, rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { correctedStatements } from './corrections.ts';
import type { OpenMonth } from './source.ts';
import { allocationOf, lastClosedMonth, type AllocationVersion } from './versions.ts';
import { weighTokens } from './weights.ts';

/** An open month, and the version by which it is allocated. */
export interface ReadMonth extends OpenMonth {
  /** Null if no document is in force. */
  readonly version: AllocationVersion | null;
}

/**
 * Reads how an open month is allocated. Shares come from all connections, whichever are asked for. The month after the last
 * closed one carries the corrections of closed months. Must run in a snapshot.
 */
export async function readOpenMonth(
  tx: Db,
  month: Month,
  today: Day,
  connections: readonly string[] | null,
): Promise<ReadMonth> {
  const version = await allocationOf(tx, month);
  const allocation = version?.allocation ?? null;
  const tokens = await weighTokens(tx, month, today, allocation);
  const last = await lastClosedMonth(tx);
  const corrected = last !== null && month === nextMonth(last) ? await correctedStatements(tx) : [];
  return { month, today, allocation, tokens, corrected, connections, version };
}

/** By which rules lines were allocated: the month, the version, and the names of its rules by their place. */
export interface RulesOf {
  readonly month: Month;
  readonly version: number | null;
  readonly rules: readonly string[];
}

const ruleNames = z.array(z.string());

/** The rules of statements, by the number of the statement. */
export async function rulesOfStatements(db: Db, statementNos: readonly number[]): Promise<Map<number, RulesOf>> {
  const found = await rows(
    db,
    z.object({ no: z.int(), month: dayJson, version: z.int().nullable(), rules: ruleNames.nullable() }),
    sql`
      select s.statement_no as no, s.month::text, s.version,
        (
          select coalesce(jsonb_agg(r.rule ->> 'name' order by r.place), '[]')
          from jsonb_array_elements(v.document -> 'rules') with ordinality r(rule, place)
        ) as rules
      from statements s left join allocation_versions v on v.version = s.version
      where s.statement_no = any(${numberArray('integer', statementNos)})
    `,
  );
  return new Map(
    found.map(({ no, month, version, rules }) => [no, { month: monthOf(month), version, rules: rules ?? [] }]),
  );
}
