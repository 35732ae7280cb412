import { outlookNow } from '../budgets/forecaster.ts';
import { atLeast, within, type BandDay, type BudgetDay, type Outlook } from '../budgets/state.ts';
import type { DayRange } from '../days.ts';
import type { Backtest } from '../forecast/forecast.ts';
import { groupShares, splitByShares, type CentsBand } from '../forecast/shares.ts';
import { addDecimals, ofUnits, type Decimal } from '../money.ts';

/** What is expected of a spend query, as a whole and by groups. */

/** What a group has cost, in US dollars. */
export interface GroupPast {
  /** From the first day of the period through the last settled day. */
  readonly spent: Decimal;
  /** Over the days by which the groups share what is expected; see SHARE_DAYS. */
  readonly recent: Decimal;
}

/** An expected amount with its 80 % band, in US dollars. */
export type Expected = Omit<BandDay, 'day'>;

/** What is expected of a group, or of several together. */
export interface GroupAhead {
  /** Its part of what is expected after the last settled day, from 0 to 1. */
  readonly share: number;
  readonly spent: Decimal;
  readonly total: Expected;
  readonly days: readonly BandDay[];
}

/** What is expected of a period. */
export interface Ahead {
  readonly outlook: Outlook;
  /** Null without a forecast. */
  readonly backtest: Backtest | null;
  /** The largest groups, each with its place in what was asked. */
  readonly groups: readonly (GroupAhead & { readonly index: number })[];
  /** The other groups together. */
  readonly other: (GroupAhead & { readonly groups: number }) | null;
}

/** Groups share what is expected by what they cost on so many days up to the last settled one. */
export const SHARE_DAYS = 28;

const OTHER = 'other';

/**
 * What a period is expected to come to. `days` is every day from before the period on, as far as a forecast learns from it, up
 * to today. Groups share the whole, so grouping changes no total: the means, the lows and the highs of the groups and
 * `other` add up to those of the whole, exactly.
 */
export function aheadOf({
  days,
  period,
  groups,
  most,
}: {
  readonly days: readonly BudgetDay[];
  readonly period: DayRange;
  readonly groups: readonly GroupPast[];
  /** How many groups are shown by themselves. */
  readonly most: number;
}): Ahead {
  const now = outlookNow(days, period);
  const outlook = atLeast(now.outlook, within(days, period));
  if (outlook.method === null) return { outlook, backtest: null, groups: [], other: null };
  if (groups.length === 0) return { outlook, backtest: now.backtest, groups: [], other: null };
  const { shown, rest } = largest(groups, outlook.days, most);
  const parts = [...shown.map(({ index, past }) => ({ key: String(index), past })), ...together(rest)];
  const split = splitAmong(parts, outlook);
  const of = (key: string): GroupAhead => {
    const found = split.get(key);
    if (found === undefined) throw new Error('a group has no part');
    return found;
  };
  return {
    outlook,
    backtest: now.backtest,
    groups: shown.map(({ index }) => ({ index, ...of(String(index)) })),
    other: rest.length === 0 ? null : { groups: rest.length, ...of(OTHER) },
  };
}

interface Placed {
  readonly index: number;
  readonly past: GroupPast;
}

/** The groups that are expected to come to most, largest first, and the others. */
function largest(
  groups: readonly GroupPast[],
  days: readonly BandDay[],
  most: number,
): { shown: Placed[]; rest: Placed[] } {
  const ahead = days.reduce((sum, { mean }) => sum + Number(mean), 0);
  const shares = groupShares(groups.map(({ recent }, index) => ({ key: String(index), usd: Number(recent) })));
  const sizes = groups.map(({ spent }, index) => Number(spent) + ahead * (shares.get(String(index)) ?? 0));
  const placed = groups.map((past, index) => ({ index, past }));
  placed.sort((a, b) => (sizes[b.index] ?? 0) - (sizes[a.index] ?? 0) || a.index - b.index);
  return { shown: placed.slice(0, most), rest: placed.slice(most) };
}

function together(groups: readonly Placed[]): { key: string; past: GroupPast }[] {
  if (groups.length === 0) return [];
  // Negative spend counts as none for each group, and so it does for several.
  const recent = groups.map(({ past }) => past.recent).filter((amount) => !amount.startsWith('-'));
  return [
    { key: OTHER, past: { spent: addDecimals(groups.map(({ past }) => past.spent)), recent: addDecimals(recent) } },
  ];
}

function splitAmong(
  parts: readonly { readonly key: string; readonly past: GroupPast }[],
  outlook: Extract<Outlook, { readonly method: string }>,
): Map<string, GroupAhead> {
  const shares = groupShares(parts.map(({ key, past }) => ({ key, usd: Number(past.recent) })));
  const spent = addDecimals(parts.map(({ past }) => past.spent));
  const byDay = outlook.days.map(({ day, ...band }) => ({ day, parts: splitByShares(inNumbers(band), shares) }));
  const left = (whole: Decimal): number => Number(whole) - Number(spent);
  const bands = splitByShares({ mean: 0, low: left(outlook.low), high: left(outlook.high) }, shares);
  return new Map(
    parts.map(({ key, past }) => {
      const days = byDay.map(({ day, parts: own }) => ({ day, ...inDollars(own.get(key)) }));
      const { low, high } = inDollars(bands.get(key));
      const whole = (part: Decimal): Decimal => addDecimals([past.spent, part]);
      const mean = addDecimals([past.spent, ...days.map((one) => one.mean)]);
      return [
        key,
        { share: shares.get(key) ?? 0, spent: past.spent, total: { mean, low: whole(low), high: whole(high) }, days },
      ];
    }),
  );
}

function inNumbers({ mean, low, high }: Expected): { mean: number; low: number; high: number } {
  return { mean: Number(mean), low: Number(low), high: Number(high) };
}

function inDollars(band: CentsBand = { mean: 0, low: 0, high: 0 }): Expected {
  const dollars = (cents: number): Decimal => ofUnits(BigInt(cents), 2);
  return { mean: dollars(band.mean), low: dollars(band.low), high: dollars(band.high) };
}
