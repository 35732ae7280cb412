import { draftsOf } from '../../client/use-draft.ts';
import { monthEnd, today } from '../../format/days.ts';
import { filtersOf, parametersOf } from '../alerts/report-draft.ts';
import type { Filter } from '../explore/query.ts';
import type { BudgetItem } from './words.ts';

/** A threshold that somebody types. */
export interface ThresholdDraft {
  readonly of: 'actual' | 'forecast';
  readonly unit: 'percent' | 'usd';
  readonly value: string;
}

/** What somebody types about a budget. */
export interface BudgetDraft {
  readonly name: string;
  readonly counts: 'filters' | 'center';
  readonly filters: readonly Filter[];
  readonly center: string;
  readonly period: 'month' | 'quarter' | 'year' | 'days';
  readonly from: string;
  readonly to: string;
  readonly amount: string;
  readonly thresholds: readonly ThresholdDraft[];
  /** Ids; none for every channel that takes budgets. */
  readonly channels: readonly string[];
}

/** Budgets that somebody creates or changes. */
export const budgetDrafts = draftsOf<BudgetDraft>();

/** The places of the body that the form has a field for. */
export const BUDGET_PLACES = ['name', 'filters', 'cost_center', 'period', 'amount', 'thresholds', 'channels'];

/** A new budget before anything is typed. */
export function newBudget(): BudgetDraft {
  const from = today();
  return {
    ...{ name: '', counts: 'filters', filters: [], center: '', period: 'month', from, to: monthEnd(from), amount: '' },
    thresholds: [
      { of: 'actual', unit: 'percent', value: '80' },
      { of: 'actual', unit: 'percent', value: '100' },
      { of: 'forecast', unit: 'percent', value: '100' },
    ],
    channels: [],
  };
}

/** A stored budget as its form shows it. */
export function budgetDraftOf(budget: Omit<BudgetItem, 'assessed'>): BudgetDraft {
  const { period, filters, cost_center: center, thresholds, ...rest } = budget;
  const { name, amount, channels } = rest;
  const isDays = typeof period !== 'string';
  const { from, to } = isDays ? period : newBudget();
  return {
    ...{ name, amount, channels, from, to, center: center ?? '', period: isDays ? 'days' : period },
    counts: center === null ? 'filters' : 'center',
    filters: filtersOf(filters ?? {}),
    thresholds: thresholds.map(({ of, percent, usd }) => ({
      of,
      unit: percent === null ? 'usd' : 'percent',
      value: percent ?? usd ?? '',
    })),
  };
}

/** What a draft counts and when it tells: the body of a replay. */
export function replayOf({ counts, filters, center, period, from, to, amount, thresholds }: BudgetDraft): object {
  return {
    ...(counts === 'center' ? { cost_center: center } : { filters: parametersOf(filters) }),
    period: period === 'days' ? { from, to } : period,
    amount: plain(amount),
    thresholds: thresholds.map(({ of, unit, value }) => ({ of, [unit]: plain(value) })),
  };
}

/** The body that creates a budget, or changes all of it. */
export function bodyOf(draft: BudgetDraft): object {
  return { name: draft.name, ...replayOf(draft), channels: draft.channels };
}

/** An amount as people write it, such as `$10,000`, as the API takes it. */
function plain(amount: string): string {
  return amount.replaceAll(/[$%,\s]/g, '');
}
