import { signOf } from '../../format/decimal.ts';
import { count, exact, money, percent, percentChange, usd } from '../../format/money.ts';
import { wordOf } from './dimensions.ts';
import { COUNTS, type SpendQuery } from './query.ts';
import type { Figures } from './reports.ts';
import { COUNT_WORDS } from './words.ts';

/** What a cell shows: rounded for people, exact for whoever points at it or copies it. */
export interface Shown {
  readonly text: string;
  readonly exact: string | null;
  /** Whether it is more or less than before. */
  readonly delta?: 'up' | 'down';
  /** Whether it says in words why there is no number. */
  readonly isReason?: boolean;
}

/** A column of numbers. */
export interface Column {
  readonly name: string;
  readonly of: (figures: Figures, currency: string) => Shown;
  /** The figure of a column whose numbers may be added up. */
  readonly adds?: string;
}

const NOTHING: Shown = { text: '–', exact: null };

/** Why there is no number, in words. */
const REASONS: Readonly<Record<string, string>> = {
  no_tokens: 'no tokens',
  not_billed: 'not billed',
  other_currency: 'another currency',
  no_input_tokens: 'no input',
  no_price: 'price not billed',
};

function amount(key: string, name: string): Column {
  return {
    name,
    adds: key,
    of: (figures, currency) => {
      const value = figures[key] ?? null;
      return value === null ? NOTHING : { text: money(value, currency), exact: value };
    },
  };
}

function number(key: string, name: string): Column {
  return {
    name,
    adds: key,
    of: (figures) => {
      const value = figures[key] ?? null;
      return value === null ? NOTHING : { text: count(value), exact: value };
    },
  };
}

/** A column whose number may be missing for a reason. */
function reasoned(key: string, name: string, format: (value: string) => string, reason = `${key}_reason`): Column {
  return {
    name,
    of: (figures) => {
      const value = figures[key] ?? null;
      if (value !== null) return { text: format(value), exact: value };
      const why = figures[reason] ?? null;
      return { text: why === null ? '–' : wordOf(REASONS, why), exact: null, isReason: true };
    },
  };
}

function change(format: (value: string, currency: string) => string): Column {
  return {
    name: 'Change',
    adds: 'change',
    of: (figures, currency) => {
      const value = figures['change'] ?? null;
      if (value === null) return NOTHING;
      const sign = signOf(value);
      const text = `${sign > 0 ? '+' : sign === 0 ? '±' : ''}${format(value, currency)}`;
      return { text, exact: value, ...deltaOf(sign) };
    },
  };
}

function deltaOf(sign: -1 | 0 | 1): { delta?: 'up' | 'down' } {
  return sign === 0 ? {} : { delta: sign > 0 ? 'up' : 'down' };
}

function changePercent(before: string): Column {
  return {
    name: 'Change, %',
    of: (figures) => {
      const [value, earlier] = [figures['change'] ?? null, figures[before] ?? null];
      if (value === null || earlier === null) return NOTHING;
      return { text: percentChange(value, earlier) ?? (signOf(value) === 0 ? '–' : 'new'), exact: null };
    },
  };
}

/** The columns of a report. Those of counts have no currency. */
export function columnsOf(query: SpendQuery): Column[] {
  switch (query.report) {
    case 'costs':
      return [amount('amount', 'Cost'), ...comparison(query, amount('previous', 'Before'), change(money))];
    case 'changes':
      return [amount('before', 'Before'), amount('after', 'After'), change(money), changePercent('before')];
    case 'unit-costs':
      return [
        amount('amount', 'Cost'),
        number('tokens', 'Tokens'),
        reasoned('usd_per_million', 'USD per million', usd, 'reason'),
        ...(query.groupBy.includes('token_type')
          ? []
          : [
              reasoned('cache_hit_rate', 'Cache hits', percent),
              reasoned('cache_savings', 'Cache saved', usd),
              reasoned('batch_savings', 'Batch saved', usd),
            ]),
        amount('unmatched_amount', 'Without tokens'),
        number('unpriced_tokens', 'Tokens not billed'),
      ];
    case 'usage':
      return [
        number('tokens', 'Tokens'),
        ...comparison(
          query,
          number('previous', 'Before'),
          change((value) => count(value)),
        ),
        ...COUNTS.map((name) => number(name, COUNT_WORDS[name])),
      ];
  }
}

function comparison({ compare }: SpendQuery, before: Column, after: Column): Column[] {
  return compare === null ? [] : [before, after, changePercent('previous')];
}

/** What the chart's numbers look like. */
export function chartFormat({ report }: SpendQuery): (value: string) => string {
  return report === 'usage' ? (value) => count(value) : usd;
}

/** The exact digits of a cell, with grouped thousands, for whoever points at it. */
export function exactTitle(value: string | null): string | undefined {
  return value === null ? undefined : exact(value);
}
