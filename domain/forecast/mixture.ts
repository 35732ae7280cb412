import { at } from './series.ts';
import { ORIGIN_STEP, type Replay } from './replay.ts';
import { judge, weightsAt } from './weights.ts';

/** Weights are chosen anew at most so many times in the replay, and at least so many origins apart. */
const CHOICES = 8;
const LEAST_APART = 4;

/** The mixture as it would have been at each past origin: its weights know nothing that came later. */
export interface MixtureReplay {
  readonly replay: Replay;
  /** The forecast of each day, as in Replay. */
  readonly forecasts: Float64Array;
  /** The places of the origins at which weights were chosen, oldest first. */
  readonly choices: readonly number[];
}

/** The weights of the candidates now, and the mixture's replay. */
export function mixtureOf(past: Replay): { weights: Float64Array; mixture: MixtureReplay } {
  const judged = judge(past);
  const apart = Math.max(LEAST_APART, Math.ceil(past.origins / CHOICES));
  const choices: number[] = [];
  const forecasts = new Float64Array(past.origins * past.horizon);
  for (let place = 0; place < past.origins; place += apart) {
    choices.push(place);
    const weights = weightsAt(judged, past.first + place * ORIGIN_STEP);
    const until = Math.min(past.origins, place + apart) * past.horizon;
    forecasts.subarray(0, until).set(mix(past.forecasts, weights, place * past.horizon, until), place * past.horizon);
  }
  return {
    weights: weightsAt(judged, past.first + past.origins * ORIGIN_STEP),
    mixture: { replay: past, forecasts, choices },
  };
}

/** The weighted sum of the candidates' forecasts in `from..to - 1`. */
export function mix(forecasts: readonly Float64Array[], weights: Float64Array, from: number, to: number): Float64Array {
  const mixed = new Float64Array(to - from);
  forecasts.forEach((forecast, candidate) => {
    const weight = at(weights, candidate);
    if (weight < 1e-6) return;
    for (let index = from; index < to; index += 1) {
      mixed[index - from] = at(mixed, index - from) + weight * at(forecast, index);
    }
  });
  return mixed;
}

/** What an error is measured by: half the size of the recent days, half that of the days forecast. */
export function scaleOf(size: number, forecasts: Float64Array): number {
  let ahead = 0;
  for (const value of forecasts) ahead += Math.abs(value);
  return (size + ahead / (forecasts.length || 1)) / 2;
}
