/** What is known about the days of a bar. */
export type BarState = 'final' | 'provisional' | 'missing' | 'uncovered';

/** One bar of a chart: a day, a week or a month. */
export interface Bar {
  readonly key: string;
  /** For the axis; short. */
  readonly label: string;
  /** For whoever points at the bar or listens to it. */
  readonly title: string;
  readonly state: BarState;
  /** The amount of each series, in their order, as exact decimals. */
  readonly values: readonly string[];
  /** The sum of the values; null if nothing is known. */
  readonly total: string | null;
  /** Sentences about the bar, such as what it was before a restatement. */
  readonly notes: readonly string[];
  readonly isRestated: boolean;
  /** Where it leads: the whole bar, and each series within it. */
  readonly link: string | null;
  readonly links?: readonly (string | null)[];
}
