import type { Schema } from '../../client/client.ts';
import { draftsOf } from '../../client/use-draft.ts';
import { dimensionOf } from '../explore/dimensions.ts';
import type { Filter } from '../explore/query.ts';

type Report = Schema<'Report'>;

/** How often a report is told, with when that is. */
export const EVERY: Readonly<Record<Report['every'], { readonly name: string; readonly tells: string }>> = {
  daily: { name: 'Every day', tells: 'the day before' },
  weekly: { name: 'Every Monday', tells: 'the last week, from Monday to Sunday' },
  monthly: { name: 'On the first of every month', tells: 'the last month' },
};

/** The hours at which a report can be told: clock changes skip and repeat earlier ones. */
export const HOURS = Array.from({ length: 20 }, (_, index) => index + 4);

/** What somebody types about a report. */
export interface ReportDraft {
  readonly name: string;
  readonly every: Report['every'];
  readonly hour: number;
  readonly timeZone: string;
  /** One or two dimensions. */
  readonly groupBy: readonly string[];
  readonly filters: readonly Filter[];
  /** Ids; null for every channel that takes reports. */
  readonly channels: readonly string[] | null;
}

/** Reports that somebody creates or changes. */
export const reportDrafts = draftsOf<ReportDraft>();

/** The places of the body that the form has a field for. */
export const REPORT_PLACES = ['name', 'every', 'hour', 'time_zone', 'query', 'channels'];

/** A new report before anything is typed. */
export function newReport(): ReportDraft {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return { name: '', every: 'weekly', hour: 8, timeZone, groupBy: ['model'], filters: [], channels: null };
}

/** A stored report as its form shows it. */
export function reportDraftOf({ name, every, hour, time_zone: timeZone, query, channels }: Report): ReportDraft {
  return { name, every, hour, timeZone, groupBy: query['group_by'] ?? ['model'], filters: filtersOf(query), channels };
}

/** The filters of a stored query. */
export function filtersOf(query: Report['query']): Filter[] {
  return Object.entries(query).flatMap(([name, values]) => {
    const excludes = name.startsWith('not.');
    const parameter = excludes ? name.slice('not.'.length) : name;
    return dimensionOf(parameter) === null ? [] : [{ parameter, excludes, values }];
  });
}

/** Filters as a stored query has them. */
export function parametersOf(filters: readonly Filter[]): Record<string, readonly string[]> {
  return Object.fromEntries(
    filters.map(({ parameter, excludes, values }) => [`${excludes ? 'not.' : ''}${parameter}`, values]),
  );
}

/** The body that creates a report, or changes all of it. */
export function bodyOf({ name, every, hour, timeZone, groupBy, filters, channels }: ReportDraft): object {
  const query = { group_by: groupBy, ...parametersOf(filters) };
  return { name, every, hour, time_zone: timeZone, query, channels };
}

/** When a report is told: `Every Monday at 08:00, Europe/Berlin`. */
export function whenTold({ every, hour, time_zone: zone }: Pick<Report, 'every' | 'hour' | 'time_zone'>): string {
  return `${EVERY[every].name} at ${String(hour).padStart(2, '0')}:00, ${zone}`;
}
