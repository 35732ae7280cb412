import type { Day } from '../days.ts';
import { toCanonical, type Decimal } from '../money.ts';
import { assessAnomalies } from './assess.ts';
import type { AnomalyInput, SettledDay, SpendGroup, Verdict } from './incident.ts';

/**
 * Settled days as Postgres sends them. A large organization has hundreds of thousands of sums: as texts, they take no time
 * to be read and to be passed to a thread.
 */
export interface SettledTexts {
  /** JSON: of each set of dimensions, its values by their names, and the numbers of its series with blanks between them. */
  readonly dimensions: string;
  /** Oldest first. `groups` has the number of a series, its sum in US dollars, the next number, its sum, … */
  readonly days: readonly { readonly day: Day; readonly total: Decimal; readonly groups: string }[];
}

/** What anomalies are decided from; see {@link AnomalyInput}. */
export interface TextInput extends Omit<AnomalyInput, 'days'> {
  readonly settled: SettledTexts;
}

/** Decides what settled days say, as {@link assessAnomalies} does. */
export type FindAnomalies = (input: TextInput) => Promise<readonly Verdict[]>;

/** Decides in the calling thread, at once. */
export const findAnomaliesHere: FindAnomalies = (input) => Promise.resolve(findAnomalies(input));

/** Decides what settled days say. */
export function findAnomalies({ settled, ...input }: TextInput): readonly Verdict[] {
  return assessAnomalies({ ...input, days: settledDaysOf(settled) });
}

/** Takes texts apart. Groups with the same dimensions share them, so that a long history takes little memory. */
export function settledDaysOf({ dimensions, days }: SettledTexts): SettledDay[] {
  const known = new Map<number, SpendGroup['dimensions']>();
  const sets = JSON.parse(dimensions) as [SpendGroup['dimensions'], string][];
  for (const [values, series] of sets) for (const no of series.split(' ')) known.set(Number(no), values);
  return days.map(({ day, total, groups }) => ({ day, total, groups: groupsOf(groups, known) }));
}

function groupsOf(text: string, dimensions: ReadonlyMap<number, SpendGroup['dimensions']>): SpendGroup[] {
  if (text === '') return [];
  const groups: SpendGroup[] = [];
  const parts = text.split(' ');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const shared = dimensions.get(Number(parts[at]));
    // Without dimensions it is in another currency.
    if (shared !== undefined) groups.push({ dimensions: shared, usd: toCanonical(parts[at + 1] ?? ''), tokens: null });
  }
  return groups;
}
