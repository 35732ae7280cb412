import { ask } from '../../client/client.ts';
import { difference, sum } from '../../format/decimal.ts';
import { linkTo } from '../../route.ts';
import type { Bar } from '../../parts/chart/model.ts';
import { standing, unusualIn, type Anomaly } from '../../parts/unusual.tsx';
import {
  dimensionsIn,
  drill,
  grainIn,
  narrowedTo,
  printQuery,
  viewOf,
  type Filter,
  type Part,
  type SpendQuery,
} from './query.ts';
import { askAll, askPage, MAIN, type Line, type Page } from './reports.ts';
import { certaintyOf, spansOf, type CoveredDay, type Span } from './spans.ts';

/** What the page shows of a query, from replies that belong together. */
export interface Picture {
  /** With the days that the API took. */
  readonly query: SpendQuery;
  /** The range as a whole: its total, its days, its comparison. */
  readonly whole: Page;
  /** The groups without the grain, the largest first; null without dimensions. */
  readonly groups: Page | null;
  /** Null without a grain. */
  readonly chart: Chart | null;
}

/** Stacked bars, and the same numbers for a table. */
export interface Chart {
  readonly series: readonly string[];
  readonly hasOthers: boolean;
  readonly bars: readonly Bar[];
  /** The rows of the grain alone, by the key of their bar. */
  readonly totals: ReadonlyMap<string, Line>;
}

const SERIES = 6;
/** As many groups as one request brings. The table shows them bit by bit. */
const GROUPS = 1_000;

/**
 * Asks what a picture needs, in few requests however many groups there are: the groups without the grain; the bars
 * without the groups; and the bars of the largest groups. What is left over is the difference, exactly.
 */
export async function loadPicture(query: SpendQuery, signal: AbortSignal): Promise<Picture> {
  const picture = await loadOnce(query, signal);
  // A sync wrote between two of the requests.
  return picture.isTorn ? loadOnce(query, signal) : picture;
}

async function loadOnce(query: SpendQuery, signal: AbortSignal): Promise<Picture & { isTorn: boolean }> {
  const dimensions = dimensionsIn(query);
  const grain = grainIn(query);
  const bare = { ...query, order: null };
  const [groups, totals, facts] = await Promise.all([
    dimensions.length === 0 ? null : loadGroups({ ...bare, groupBy: dimensions }, signal),
    grain === null
      ? null
      : askAll({ ...bare, groupBy: [grain], compare: dimensions.length === 0 ? query.compare : null }, signal),
    grain === null ? null : loadFacts(query, signal),
  ]);
  const whole = groups ?? totals;
  if (whole === null) {
    // Neither dimensions nor a grain: the API says what is wrong with that.
    const page = await askPage(bare, { limit: 1 }, signal);
    return { query, whole: page, groups: null, chart: null, isTorn: false };
  }
  const dated = { ...query, from: whole.from, to: whole.to };
  const isTorn = groups !== null && totals !== null && groups.asOf !== totals.asOf;
  if (grain === null || totals === null || facts === null) {
    return { query: dated, whole, groups, chart: null, isTorn };
  }
  const largest = groups === null ? [] : largestOf(dated, groups);
  const tops =
    largest.length === 0
      ? null
      : await askAll({ ...narrowedTo(dated, largest.map(idsOf)), order: null, compare: null }, signal);
  return { query: dated, whole, groups, chart: chartOf(dated, { groups, largest, totals, tops, facts }), isTorn };
}

async function loadGroups(query: SpendQuery, signal: AbortSignal): Promise<Page> {
  if (query.report !== 'usage') return askPage({ ...query, order: '-amount' }, { limit: GROUPS }, signal);
  // Usage has no order by size, so all of its groups come, and the largest are found here.
  const page = await askAll(query, signal);
  const lines = [...page.lines].sort((a, b) => Number(b.figures['counted']) - Number(a.figures['counted']));
  return { ...page, lines };
}

/** What is known about the days, and what was unusual about them. */
interface Facts {
  readonly coverage: readonly CoveredDay[];
  readonly anomalies: readonly Anomaly[];
}

async function loadFacts({ from, to, filters }: SpendQuery, signal: AbortSignal): Promise<Facts> {
  const connections = await connectionsOf(filters, signal);
  const [coverage, found] = await Promise.all([
    ask('get', '/v1/coverage', { query: { from, to, connection_id: connections }, signal }),
    ask('get', '/v1/anomalies', { query: { from, to, limit: 100 }, signal }),
  ]);
  const anomalies = standing(found.data).filter(({ connection }) => connections?.includes(connection.id) ?? true);
  return { coverage: coverage.data, anomalies };
}

/** The connections that filters let through; nothing for all. */
async function connectionsOf(filters: readonly Filter[], signal: AbortSignal): Promise<readonly string[] | undefined> {
  const own = filters.filter(({ parameter }) => parameter === 'connection_id');
  if (own.every(({ excludes }) => !excludes)) return own[0]?.values;
  const all = (await ask('get', '/v1/connections', { query: { limit: 100 }, signal })).data.map(({ id }) => id);
  return all.filter((id) => own.every(({ excludes, values }) => values.includes(id) !== excludes));
}

/** The groups that get a colour. Amounts of other currencies cannot be stacked on dollars. */
export function largestOf(query: SpendQuery, groups: Page): Line[] {
  const main = MAIN[query.report];
  return groups.lines.filter((line) => isUsd(query, line) && Number(line.figures[main]) !== 0).slice(0, SERIES);
}

/** Whether the amount of a group is in dollars. */
export function isUsd(query: SpendQuery, line: Line): boolean {
  return currencyOf(query, line) === 'USD';
}

/** The currency of a group's amount. */
export function currencyOf(query: SpendQuery, line: Line): string {
  const at = dimensionsIn(query).indexOf('currency');
  return line.values[at]?.id ?? 'USD';
}

/** A group for people. */
export function nameOf(line: Line): string {
  return line.values.map(({ name }) => name).join(' · ');
}

function idsOf(line: Line): (string | null)[] {
  return line.values.map(({ id }) => id);
}

interface Parts {
  readonly groups: Page | null;
  readonly largest: readonly Line[];
  readonly totals: Page;
  readonly tops: Page | null;
  readonly facts: Facts;
}

function chartOf(query: SpendQuery, { groups, largest, totals, tops, facts }: Parts): Chart {
  const main = MAIN[query.report];
  const grain = grainIn(query) ?? 'day';
  const cells = cellsOf(query, tops, main);
  const byBar = new Map(totals.lines.map((line) => [line.values[0]?.id ?? '', line]));
  const others = groups === null ? 0 : groups.lines.length + (groups.other?.rows ?? 0) - largest.length;
  const hasOthers = others > 0;
  const series = groups === null ? [titleOf(query)] : largest.map(nameOf);
  const keys = largest.map((line) => JSON.stringify(idsOf(line)));
  const bars = spansOf(query.from ?? '', query.to ?? '', grain).map((span): Bar => {
    const certainty = certaintyOf(span, facts.coverage);
    const found = byBar.get(span.key)?.figures[main] ?? null;
    const isKnown = found !== null || certainty.state === 'final' || certainty.state === 'provisional';
    const total = isKnown ? (found ?? '0') : null;
    const top = keys.map((key) => cells.get(`${span.key} ${key}`) ?? '0');
    const rest = difference(total ?? '0', sum('0', ...top));
    return {
      ...{ key: span.key, label: span.label, title: span.title, ...certainty },
      values: groups === null ? [total ?? '0'] : hasOthers ? [...top, rest] : top,
      total,
      unusual: unusualIn(facts.anomalies, span, query.from ?? ''),
      link: isKnown ? linkOf(query, { days: span, values: [] }) : null,
      // A year has thousands of them, and a person follows one.
      get links() {
        return groups === null || !isKnown ? [] : linksOf(query, span, largest);
      },
    };
  });
  const names = hasOthers ? [...series, `${others} ${others === 1 ? 'other' : 'others'}`] : series;
  return { series: names, hasOthers, bars, totals: byBar };
}

/** What the chart shows if it has no groups. */
export function titleOf({ report, count }: SpendQuery): string {
  return report !== 'usage' ? 'Cost' : count === null ? 'Tokens' : count.replaceAll('_', ' ');
}

/** The amounts of the largest groups, by bar and group. The request brings more groups, if there are several dimensions. */
function cellsOf(query: SpendQuery, tops: Page | null, main: string): Map<string, string> {
  const at = query.groupBy.findIndex((group) => group === grainIn(query));
  return new Map(
    (tops?.lines ?? []).map((line) => {
      const ids = idsOf(line).filter((_, index) => index !== at);
      return [`${line.values[at]?.id ?? ''} ${JSON.stringify(ids)}`, line.figures[main] ?? '0'];
    }),
  );
}

function linksOf(query: SpendQuery, days: Span, largest: readonly Line[]): (string | null)[] {
  const dimensions = dimensionsIn(query);
  const [only] = dimensions;
  const others: Part | null =
    dimensions.length === 1 && only !== undefined
      ? { days, values: [], without: { dimension: only, values: largest.map((line) => line.values[0]?.id ?? null) } }
      : null;
  return [
    ...largest.map((line) => linkOf(query, { days, values: valuesOf(query, line) })),
    others === null ? null : linkOf(query, others),
  ];
}

/** The values of a group, to narrow a query to it. */
export function valuesOf(query: SpendQuery, line: Line): [dimension: string, value: string | null][] {
  return dimensionsIn(query).map((dimension, index) => [dimension, line.values[index]?.id ?? null]);
}

/** The address of a part of a picture. */
export function linkOf(query: SpendQuery, part: Part): string {
  return linkTo(['explore'], printQuery(drill(query, part)));
}

/** What tells a picture from others: everything but the table beside it. */
export function pictureKey(query: SpendQuery): string {
  return printQuery({ ...query, view: null, order: null });
}

/** Whether a query needs a picture: lines without a chart come without it. */
export function needsPicture(query: SpendQuery): boolean {
  return viewOf(query) !== 'lines' || grainIn(query) !== null;
}
