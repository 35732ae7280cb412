import { addDecimals, toDecimal } from '../../../domain/money.ts';
import type { SettledDay, SpendGroup } from '../../../domain/anomalies/incident.ts';
import { dayAt, noise } from './series.ts';

/** The shapes of a cause: by what the spend is multiplied on each day from its first one; null once it is over. */
export const SHAPES = {
  spike: { days: 1, factor: () => 1 },
  'two days': { days: 2, factor: () => 1 },
  'uneven days': { days: 4, factor: (day) => [1, 0.45, 0.9, 0.6][day] ?? 0 },
  shift: { days: Infinity, factor: () => 1 },
  ramp: { days: Infinity, factor: (day) => Math.min(1, (day + 1) / 3) },
  'slow ramp': { days: Infinity, factor: (day) => Math.min(1, (day + 1) / 8) },
  'dying away': { days: 8, factor: (day) => 1 - day / 8 },
  week: { days: 7, factor: () => 1 },
} as const satisfies Record<string, { readonly days: number; readonly factor: (day: number) => number }>;
export type Shape = keyof typeof SHAPES;

/** Where a cause acts. A launch adds spend where there was none. */
export const PLACES = [
  'everything',
  'workspace',
  'model',
  'model in workspace',
  'cost type',
  'new workspace',
  'new model',
  'new model in workspace',
] as const;

export interface Cause {
  readonly seed: number;
  readonly where: (typeof PLACES)[number];
  readonly shape: Shape;
  /** By what it grows at its height: 0 is not at all. */
  readonly growth: number;
  readonly rough: number;
}

const WEEK = [1, 1.05, 0.45, 0.3, 0.95, 1, 1.1];

/** A number from 0 to 1, the same for the same numbers. */
function draw(seed: number, at: number): number {
  const raw = Math.sin(seed * 12.9898 + at * 78.233) * 43_758.5453;
  return raw - Math.floor(raw);
}

/** The place of the first day of a cause. */
export function beginOf({ seed }: Cause): number {
  return 70 + Math.floor(7 * draw(seed, 3));
}

/** An organization of some workspaces, models and cost types in which one thing happens, or nothing with a cause of null. */
export function daysWith(about: Cause, isThere: boolean, length: number): SettledDay[] {
  const { seed, where, shape, growth, rough } = about;
  const [workspaces, models] = [2 + Math.floor(4 * draw(seed, 1)), 2 + Math.floor(3 * draw(seed, 2))];
  const begin = beginOf(about);
  const [w, m] = [Math.floor(workspaces * draw(seed, 4)), Math.floor(models * draw(seed, 5))];
  const { days, factor }: { days: number; factor: (day: number) => number } = SHAPES[shape];
  const names = [...Array.from({ length: workspaces }, (_, at) => `w${at}`), 'fresh'];
  const modelNames = [...Array.from({ length: models }, (_, at) => `m${at}`), 'new'];
  return Array.from({ length }, (_, place) => {
    const day = place - begin;
    const now = isThere && day >= 0 && day < days ? growth * factor(day) : 0;
    const groups: SpendGroup[] = [];
    for (const [i, workspace] of names.entries()) {
      for (const [j, model] of modelNames.entries()) {
        for (const [k, cost_type] of ['tokens', 'web_search'].entries()) {
          const isFresh = workspace === 'fresh';
          const isNew = model === 'new';
          const usual = 40 * 2 ** (2 * draw(seed, 100 + i)) * 2 ** (2 * draw(seed, 200 + j)) * (k === 0 ? 1 : 0.15);
          const hits = {
            everything: !isFresh && !isNew,
            workspace: i === w && !isNew,
            model: j === m && !isFresh,
            'model in workspace': i === w && j === m,
            'cost type': k === 1 && !isFresh && !isNew,
            'new workspace': isFresh && !isNew,
            'new model': isNew && !isFresh,
            'new model in workspace': isNew && i === w,
          }[where];
          const level = (isFresh || isNew ? 0 : 1) + (hits ? now : 0);
          if (level <= 0) continue;
          const amount =
            usual * level * (WEEK[place % 7] ?? 1) * Math.exp(rough * noise(seed * 1000 + i * 40 + j * 5 + k, place));
          groups.push({ dimensions: { workspace, model, cost_type }, usd: toDecimal(amount.toFixed(4)), tokens: null });
        }
      }
    }
    return { day: dayAt(place), total: addDecimals(groups.map(({ usd }) => usd)), groups };
  });
}
