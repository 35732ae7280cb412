import { expect, test } from 'vitest';
import type { Incident } from '../../../domain/anomalies/incident.ts';
import { PLACES, SHAPES, beginOf, daysWith, type Cause, type Shape } from './causes.ts';
import { applied, assess, dayAt, lived, organization } from './series.ts';

const DAYS_AFTER = 30;

/** The incidents that a cause adds to what the same organization shows without it, of the days since it began. */
function incidentsOf(cause: Cause, isLived: boolean): Incident[] {
  const begin = beginOf(cause);
  const found = (isThere: boolean): Incident[] => {
    const days = daysWith(cause, isThere, begin + DAYS_AFTER);
    return (isLived ? lived(days, begin - 2) : applied([], assess(days))).map(({ incident }) => incident);
  };
  const without = new Set(found(false).map(({ key }) => key));
  return found(true).filter(({ key, lastDay }) => !without.has(key) && lastDay >= dayAt(begin));
}

/** Those causes of which people would be told as of several, with what they would be told. */
function toldAsSeveral(causes: readonly Cause[], isLived = false): string[] {
  return causes.flatMap((cause) => {
    const incidents = incidentsOf(cause, isLived);
    return incidents.length <= 1 ? [] : [`${JSON.stringify(cause)}: ${incidents.map(({ key }) => key).join(', ')}`];
  });
}

const GROWTHS = [0.4, 0.8, 1.5, 3];
const NEW_GROWTHS = [0.5, 1, 2];
const ROUGH = [0.04, 0.08, 0.12];

function causeOf(seed: number, where: Cause['where'], shape: Shape): Cause {
  const growths = where.startsWith('new') ? NEW_GROWTHS : GROWTHS;
  return {
    seed,
    where,
    shape,
    growth: growths[seed % growths.length] ?? 1,
    rough: ROUGH[seed % ROUGH.length] ?? 0.08,
  };
}

test('whatever happens wherever, it is one incident at most', () => {
  const shapes = Object.keys(SHAPES).filter((name): name is Shape => Object.hasOwn(SHAPES, name));
  const causes = PLACES.flatMap((where, at) =>
    shapes.map((shape, place) => causeOf(20_000 + at * 10 + place, where, shape)),
  );
  expect(toldAsSeveral(causes)).toEqual([]);
  // Most of them are found.
  expect(causes.filter((cause) => incidentsOf(cause, false).length === 1).length).toBeGreaterThan(causes.length / 2);
}, 60_000);

test.each([
  [14, 'everything', 'two days', 'a small part that rises with all the others'],
  [51, 'everything', 'dying away', 'a level that seems to rise again after a move that died away'],
  [163, 'model', 'ramp', 'a workspace that a model reaches a day later'],
  [187, 'model', 'week', 'a workspace in which a model rises'],
  [278, 'cost type', 'uneven days', 'a part that the whole crosses the threshold before'],
  [365, 'new workspace', 'slow ramp', 'new spend that grew for a week'],
  [10_358, 'model', 'dying away', 'what is left of a part in the whole'],
  [10_717, 'new workspace', 'ramp', 'new spend beside a rise that is too small to tell'],
] as const)(
  '%i: %s, %s: no second incident for %s',
  (...[seed, where, shape]) => {
    expect(toldAsSeveral([causeOf(seed, where, shape)])).toEqual([]);
  },
  60_000,
);

test.each([
  [14, 'everything', 'ramp'],
  [19, 'everything', 'dying away'],
  [62, 'model', 'ramp'],
] as const)(
  '%i: %s, %s: one incident keeps its identity while each day is judged as it comes',
  (seed, where, shape) => {
    expect(toldAsSeveral([causeOf(seed, where, shape)], true)).toEqual([]);
  },
  60_000,
);

test.each([
  ['a workspace', 'a week later', ['alpha'], 7],
  ['everything', 'a week later', ['alpha', 'beta', 'gamma'], 7],
] as const)('%s, and another workspace %s, are two incidents', (_where, _when, first, later) => {
  const P = 82;
  const days = organization(P + 20, ({ place, workspace }) => {
    if (place < P || workspace === 'fresh') return null;
    const usual = first.some((one) => one === workspace) ? 1.5 : 1;
    return workspace === 'gamma' && place === P + later ? 6 * usual : usual;
  });
  const found = applied([], assess(days)).map(({ incident }) => incident);
  expect(found).toHaveLength(2);
  expect(found[1]?.firstDay).toBe(dayAt(P + later));
  expect(found[1]?.cause).toContainEqual({ dimension: 'workspace', value: 'gamma' });
});
