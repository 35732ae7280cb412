import { assess, type Assessed } from '../db/budgets/assess.ts';
import { forecastRest, remembering } from '../domain/budgets/forecaster.ts';
import { dayOf } from '../domain/days.ts';
import type { Dependencies } from './dependencies.ts';

export type { Assessed } from '../db/budgets/assess.ts';

/** What the `assess` workflow asks of the outside world. */
export interface AssessActivities {
  /** Judges budgets and keeps forecasts, in one transaction. Twice changes nothing. */
  assess(input: { nowMs: number }): Promise<Assessed>;
}

/** Makes the activities of the `assess` workflow. */
export function createAssessActivities({ db, findAnomalies }: Dependencies): AssessActivities {
  const forecast = remembering(forecastRest);
  return { assess: ({ nowMs }) => assess(db, dayOf(nowMs), forecast, findAnomalies) };
}
