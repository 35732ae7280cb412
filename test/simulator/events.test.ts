import { expect, test } from 'vitest';
import { dayOf, formatDay } from '../../simulator/days.ts';
import { generateDay } from '../../simulator/organization/day.ts';
import type { EventInput } from '../../simulator/organization/events.ts';
import { makeOrganization, type Organization } from '../../simulator/organization/organization.ts';

const DAY = dayOf(Date.parse('2026-03-24T00:00:00Z'));

function organization(...events: EventInput[]): Organization {
  return makeOrganization({ events }, 7, {
    workspaces: 3,
    models: 3,
    linesPerDay: null,
    newSeriesPerDay: 0,
    descriptions: 'plain',
    seriesLifeDays: null,
    unknowns: false,
    firstDay: DAY - 60,
    startDay: DAY + 60,
  });
}

/** The tokens' cost of a day, of one model if it is named. */
function cost(from: Organization, day: number, model?: string): number {
  return generateDay(from, day, null)
    .cost.filter(({ series }) => series.costType === 'tokens' && (model === undefined || series.model === model))
    .reduce((sum, { units }) => sum + Number(units), 0);
}

const day = formatDay(DAY);
const usual = cost(organization(), DAY);

test('without events an organization has the data that it always had', () => {
  expect(generateDay(organization(), DAY, null)).toEqual(
    generateDay(makeOrganization({}, 7, organization().scale), DAY, null),
  );
});

test('a spike multiplies the use of one day, a shift that of all later days', () => {
  const spike = organization({ kind: 'spike', day, factor: 3 });
  expect(cost(spike, DAY) / usual).toBeCloseTo(3, 2);
  expect(cost(spike, DAY + 1)).toBe(cost(organization(), DAY + 1));
  const shift = organization({ kind: 'shift', day, factor: 2 });
  expect(cost(shift, DAY + 7) / cost(organization(), DAY + 7)).toBeCloseTo(2, 2);
  expect(cost(shift, DAY - 1)).toBe(cost(organization(), DAY - 1));
});

test('a drift grows day by day until its end', () => {
  const drift = organization({ kind: 'drift', day, percent: 2, until: formatDay(DAY + 9) });
  const ratio = (after: number): number => cost(drift, DAY + after) / cost(organization(), DAY + after);
  expect(ratio(0)).toBeCloseTo(1.02, 3);
  expect(ratio(9)).toBeCloseTo(1.02 ** 10, 3);
  expect(ratio(13)).toBeCloseTo(1.02 ** 10, 3);
});

test('a launch leaves out what was before it, of the named model alone', () => {
  const model = organization().models[0]?.id ?? '';
  const launch = organization({ kind: 'launch', day, model });
  expect(cost(launch, DAY - 1, model)).toBe(0);
  expect(cost(launch, DAY, model)).toBe(cost(organization(), DAY, model));
  expect(cost(launch, DAY - 1)).toBeGreaterThan(0);
});

test('a price change changes costs and no tokens', () => {
  const price = organization({ kind: 'price', day, factor: 1.5 });
  expect(cost(price, DAY) / usual).toBeCloseTo(1.5, 6);
  expect(generateDay(price, DAY, null).usage.map(({ counts }) => counts)).toEqual(
    generateDay(organization(), DAY, null).usage.map(({ counts }) => counts),
  );
});
