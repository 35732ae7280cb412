import { TOKEN_COUNTS, countsTokens, type Count, type UsageCount } from './lines.ts';
import { addDecimals, toCanonical, toDecimal, type Decimal } from './money.ts';

/**
 * The lines of a day as they are stored and compared: one per series, in the order of the ids of series. Lines are columns
 * instead of objects, since a large day has tens of thousands of them.
 */
export type DayContent = CostContent | UsageContent;

interface Lines {
  /** Of each line, the place of its series among all series of the reading. */
  readonly series: Int32Array;
  /** SHA-256. Equal days have equal digests, since lines and amounts have one order and one spelling. */
  readonly digest: Uint8Array;
}

/** The lines of a day of cost. */
export interface CostContent extends Lines {
  readonly report: 'cost';
  /** The amounts of the lines in major units (dollars) of their currency, in ASCII, one behind the other. */
  readonly amounts: Uint8Array;
  /** Of each line, where its amount ends. */
  readonly ends: Int32Array;
  /** The lines that are not in US dollars, by their place in the day, in ascending order. */
  readonly notDollars: readonly number[];
}

/** The lines of a day of usage. */
export interface UsageContent extends Lines {
  readonly report: 'usage';
  readonly counts: Readonly<Record<UsageCount, ArrayLike<Count>>>;
  /** The other counts of the lines that have some, by the place of the line in the day; never zero. */
  readonly extraCounts: ReadonlyMap<number, ExtraCounts>;
}

/** Counts that have no column, by their dotted path in the row. */
export type ExtraCounts = Readonly<Record<string, Decimal>>;

/** Series that no earlier page of a reading has. Their places follow each other. */
export interface NewSeries {
  /** The place of the first. */
  readonly first: number;
  /** Whether the reading has forgotten series, so that some of these may be known from an earlier page after all. */
  readonly mayBeKnown: boolean;
  /** The ids, 32 hexadecimal digits each, one behind the other. */
  readonly ids: string;
  /** Each text that the columns have, once. */
  readonly texts: readonly string[];
  /** The dimensions that have a column: of each series the place of its text in `texts`, or -1 where it is absent. */
  readonly columns: Readonly<Record<string, Int32Array>>;
  /** The dimensions that have no column, as JSON, in the same way. */
  readonly extra: Int32Array;
}

/** How many series these are. */
export function sizeOf({ extra }: NewSeries): number {
  return extra.length;
}

/** The amounts of a day's lines, in their order. */
export function amountsOf({ amounts, ends }: CostContent): Decimal[] {
  let from = 0;
  return Array.from(ends, (end) => {
    let text = '';
    for (; from < end; from += 1) text += String.fromCharCode(amounts[from] ?? 0);
    return toCanonical(text);
  });
}

/** What the lines of a day add up to: US dollars, or tokens. Other currencies are in no total. */
export function totalOfContent(content: DayContent): Decimal {
  if (content.report === 'usage') return totalTokens(content);
  const others = new Set(content.notDollars);
  return addDecimals(amountsOf(content).filter((_, line) => !others.has(line)));
}

/** Counts of tokens that we do not know yet are among them. */
function totalTokens({ series, counts, extraCounts }: UsageContent): Decimal {
  const columns = TOKEN_COUNTS.map((name) => counts[name]);
  let sum = 0n;
  for (let line = 0; line < series.length; line += 1) {
    for (const column of columns) sum += BigInt(column[line] ?? 0);
  }
  for (const extra of extraCounts.values()) {
    for (const [path, count] of Object.entries(extra)) if (countsTokens(path)) sum += BigInt(count);
  }
  return toDecimal(sum.toString());
}
