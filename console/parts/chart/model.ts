/** What is known about a day that may be read. */
export type ReadState = 'final' | 'provisional' | 'missing' | 'uncovered';

/** What is known about the days of a bar; those to come are a forecast. */
export type BarState = ReadState | 'forecast';

/** An anomaly that belongs to a bar. */
export interface Unusual {
  readonly id: string;
  /** One line. */
  readonly subject: string;
}

/** A line across a chart. */
export interface Level {
  readonly value: string;
  readonly name: string;
  /** Whether it is the limit, and no threshold before it. */
  readonly isLimit: boolean;
}

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
  /** Between which amounts it is or was expected. */
  readonly band?: { readonly low: string; readonly high: string };
  readonly unusual?: readonly Unusual[];
}
