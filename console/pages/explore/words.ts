import { isDay, longDay, range } from '../../format/days.ts';
import { dimensionOf, labelOf, valueText, wordOf, type Report } from './dimensions.ts';
import type { Count, Filter, SpendQuery } from './query.ts';

/** Gives the name of a filter's value, where it is an id. */
export type NameOf = (parameter: string, value: string) => string;

/** The reports by the names that people read, and what each one answers. */
export const REPORT_WORDS: Readonly<Record<Report, { readonly name: string; readonly answers: string }>> = {
  costs: { name: 'Costs', answers: 'What was spent, exactly.' },
  changes: { name: 'Changes', answers: 'Why costs differ from an earlier range: volume, mix or price.' },
  'unit-costs': { name: 'Unit costs', answers: 'What a million tokens cost, and what cache and batches saved.' },
  usage: { name: 'Usage', answers: 'Tokens and requests, without costs.' },
};

/** What each comparison compares with. */
export const COMPARE_WORDS: Readonly<Record<string, string>> = {
  previous: 'the range just before',
  month: 'a month earlier',
  year: 'a year earlier',
};

/** What a count is called. */
export const COUNT_WORDS: Readonly<Record<Count, string>> = {
  uncached_input_tokens: 'Uncached input',
  output_tokens: 'Output',
  cache_read_input_tokens: 'Cache reads',
  cache_creation_5m: 'Cache writes, 5 minutes',
  cache_creation_1h: 'Cache writes, 1 hour',
  web_search_requests: 'Web searches',
};

/** The days of a query for people. */
export function daysText({ from, to }: Pick<SpendQuery, 'from' | 'to'>): string {
  const words = (text: string): string => (isDay(text) ? longDay(text) : text);
  if (from !== null && to !== null) return isDay(from) && isDay(to) ? range(from, to) : `${from} – ${to}`;
  // The API decides where a range begins or ends that the address leaves open.
  return from !== null ? `from ${words(from)} on` : to !== null ? `up to ${words(to)}` : 'any days';
}

/** The groups of a query for people. */
export function groupsText({ groupBy }: Pick<SpendQuery, 'groupBy'>): string {
  return groupBy.map(labelOf).join(', ');
}

/** A filter in two parts: what it is about, and what it lets through. */
export function filterWords(filter: Filter, nameOf: NameOf): { readonly about: string; readonly values: string } {
  const { parameter, excludes, values } = filter;
  const names = values.map((value) => nameOf(parameter, value));
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} more`] : names;
  const about = labelOf(dimensionOf(parameter) ?? parameter);
  return { about: `${about} ${excludes ? 'is not' : 'is'}`, values: shown.join(excludes ? ' nor ' : ' or ') };
}

/** The name of a value without a list of names. */
export function plainName(parameter: string, value: string): string {
  return valueText(dimensionOf(parameter) ?? parameter, value);
}

/** The whole query as a sentence. */
export function sentenceOf(query: SpendQuery, nameOf: NameOf): string {
  const filters = query.filters.map((filter) => {
    const { about, values } = filterWords(filter, nameOf);
    return `${about} ${values}`;
  });
  return [
    `${REPORT_WORDS[query.report].name}, ${daysText(query)}, by ${groupsText(query)}`,
    ...(filters.length === 0 ? [] : [`where ${filters.join(', and ')}`]),
    ...(query.compare === null ? [] : [`against ${wordOf(COMPARE_WORDS, query.compare)}`]),
  ].join(', ');
}
