import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { findAnomaliesHere, type FindAnomalies } from '../../domain/anomalies/settled.ts';
import { forecastRest } from '../../domain/budgets/forecaster.ts';
import type { Forecaster } from '../../domain/budgets/state.ts';
import { ANOMALIES_ARE_DUE, assessEveryConnection, type AnomalyCounts } from '../anomalies/assess.ts';
import { laterOf, type Day } from '../../domain/days.ts';
import { row, rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { giveRoom } from '../spend/rows.ts';
import { closeOldAlerts, judgeBudgets } from './alerts.ts';
import { forecastConnections, judgeForecastsOfConnections } from './forecasts.ts';
import { BudgetReader } from './series.ts';
import { assessState } from './tables.ts';

/** What an assessment looked at and decided. */
export interface Assessed {
  readonly budgets: number;
  /** How many alerts fired, and how many were withdrawn. */
  readonly alerts: number;
  readonly withdrawn: number;
  /** How many anomalies opened, closed and were withdrawn. */
  readonly anomalies: AnomalyCounts;
  /** How many forecasts of connections it kept, and how many forecasts and connections are left for the next assessment. */
  readonly forecasts: number;
  readonly left: number;
}

/** What one family of verdicts works with: one snapshot, one day. */
export interface Assessment {
  readonly tx: Db;
  readonly today: Day;
  readonly reader: BudgetReader;
  readonly forecast: Forecaster;
}

/**
 * Decides what the stored days say about budgets and anomalies, and writes the verdicts, their notices and forecasts, all in one
 * transaction. It locks before it takes its snapshot, so an assessment that sees less never decides after one that has seen
 * more. Twice changes nothing. `today` is the day of the caller's clock; a day before the last assessment counts as that one.
 */
export async function assess(
  db: Db,
  today: Day,
  forecast: Forecaster = forecastRest,
  find: FindAnomalies = findAnomaliesHere,
): Promise<Assessed> {
  return db.transaction(
    async (tx) => {
      // The first statement that takes a snapshot must come after the lock, and this one takes none.
      await tx.execute(sql`lock table assess_state in exclusive mode`);
      await giveRoom(tx);
      const asOf = await beginAssessment(tx, today);
      const assessment = { tx, today: asOf, reader: new BudgetReader(tx, asOf), forecast };
      // Each family of verdicts is a function of its own, and all of them decide in this transaction.
      const ofBudgets = await judgeBudgets(assessment);
      const { made, left } = await forecastConnections(tx, asOf, forecast);
      await judgeForecastsOfConnections(tx, asOf);
      await closeOldAlerts(tx, asOf);
      const { left: unassessed, ...anomalies } = await assessEveryConnection(tx, asOf, find);
      return { ...ofBudgets, anomalies, forecasts: made, left: left + unassessed };
    },
    { isolationLevel: 'repeatable read' },
  );
}

/** Records that everything which this snapshot sees is assessed, and returns the day as of which it is. */
async function beginAssessment(tx: Db, today: Day): Promise<Day> {
  await tx.execute(sql`update syncs set assessed = true where not assessed and state <> 'running'`);
  const [last] = await rows(tx, z.object({ day: dayJson }), sql`select assessed_on::text as day from assess_state`);
  const asOf = last === undefined ? today : laterOf(today, last.day);
  const state = { assessedOn: asOf, assessedAt: sql`clock_timestamp()` };
  await tx.insert(assessState).values(state).onConflictDoUpdate({ target: assessState.isOnly, set: state });
  return asOf;
}

/**
 * Whether there is something to assess: a sync succeeded or changed days since, a person changed a budget or said something
 * about an anomaly, or a day began. By the clock of Postgres.
 */
export async function isAssessmentDue(db: Db): Promise<boolean> {
  const { due } = await row(
    db,
    z.object({ due: z.boolean() }),
    sql`
      select exists (
        select from syncs where not assessed and state <> 'running' and (state = 'succeeded' or days_changed > 0)
      )
        or exists (select from budgets where not is_judged)
        or ${ANOMALIES_ARE_DUE}
        or not exists (select from assess_state where assessed_on >= (now() at time zone 'UTC')::date) as due
    `,
  );
  return due;
}
