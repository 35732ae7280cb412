import { forecastRest, learningFromLast } from '../domain/budgets/forecaster.ts';
import { replay, type ReplayedAlert } from '../domain/budgets/replay.ts';
import type { Replay } from './forecasting.ts';

/** Each replayed day may forecast, and somebody waits for the answer. */
const LEARNS_FROM_DAYS = 60;

/** What a budget would have told, day by day. */
export function replayed({ budget, days, range }: Replay): readonly ReplayedAlert[] {
  return [...replay(budget, days, learningFromLast(LEARNS_FROM_DAYS, forecastRest), range)].flat();
}
