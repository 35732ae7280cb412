import type { DayContent, NewSeries } from '../domain/day-content.ts';
import { addDays, type Day, type DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import { CostRows } from './cost-rows.ts';
import type { DayLines, ReportRows } from './day.ts';
import { PageError } from './failure.ts';
import { readPage } from './page.ts';
import { UsageRows } from './usage-rows.ts';

/** A day of a report with all of its lines. */
export interface ReportDay {
  readonly day: Day;
  readonly content: DayContent;
}

/** What a page of a report brings. */
export interface ReadPage {
  /** The days that it completes, oldest first. A day that the report leaves out had nothing. */
  readonly days: readonly ReportDay[];
  /** The series of its lines that no earlier page of the reading had. */
  readonly series: NewSeries;
  /** How many lines and buckets it has. */
  readonly lines: number;
  readonly buckets: number;
  /** The token of the next page; null on the last page. */
  readonly token: string | null;
}

/** Reads the pages of one report, one after the other. Equal dimensions share one series, also across pages. */
export interface PageReading {
  /**
   * Reads the next page of a query, or with `asked` the first page of a new one, which asks for these days. Each day comes
   * once and whole: a day that goes on on the next page is joined. Throws PageError; then the query is over.
   */
  read(body: Uint8Array, asked: DayRange | null): ReadPage;
}

/** Begins to read a report. */
export function beginReading(report: Report): PageReading {
  switch (report) {
    case 'cost':
      return new Reading(new CostRows());
    case 'usage':
      return new Reading(new UsageRows());
  }
}

class Reading<Lines extends DayLines> implements PageReading {
  readonly #rows: ReportRows<Lines>;
  #asked: DayRange | null = null;
  /** The next day that the report may give. */
  #next: Day | null = null;
  /** The last day so far, which may go on on the next page. */
  #open: { readonly day: Day; readonly lines: Lines } | null = null;
  readonly #tokens = new Set<string>();

  constructor(rows: ReportRows<Lines>) {
    this.#rows = rows;
  }

  read(body: Uint8Array, asked: DayRange | null): ReadPage {
    if (asked !== null) this.#begin(asked);
    this.#rows.series.forgetIfMany(this.#open !== null);
    const { days: found, token } = readPage(body, this.#rows);
    if (token !== null && this.#tokens.has(token))
      throw new PageError('the report names a next page that was read already');
    if (token !== null) this.#tokens.add(token);
    const whole: { day: Day; lines: Lines }[] = [];
    for (const { day, lines } of found) this.#take(day, lines, whole);
    if (token === null) this.#finish(whole);
    return {
      days: whole.map(({ day, lines }) => ({ day, content: this.#rows.contentOf(lines) })),
      series: this.#rows.series.takeNew(),
      lines: found.reduce((sum, { lines }) => sum + lines.series.length, 0),
      buckets: found.length,
      token,
    };
  }

  #begin(asked: DayRange): void {
    this.#asked = asked;
    this.#next = asked.from;
    this.#open = null;
    this.#tokens.clear();
  }

  /** Adds a day, and completes those before it. */
  #take(day: Day, lines: Lines, whole: { day: Day; lines: Lines }[]): void {
    if (this.#open?.day === day) {
      this.#rows.join(this.#open.lines, lines);
      return;
    }
    const next = this.#next;
    if (next === null || this.#asked === null || day < next || day > this.#asked.to)
      throw new PageError(`the report gives ${day} out of order or outside of the days asked for`);
    this.#completeUpTo(day, whole);
    this.#open = { day, lines };
    this.#next = addDays(day, 1);
  }

  #finish(whole: { day: Day; lines: Lines }[]): void {
    if (this.#asked !== null) this.#completeUpTo(addDays(this.#asked.to, 1), whole);
  }

  /** The report leaves out days that had nothing. */
  #completeUpTo(end: Day, whole: { day: Day; lines: Lines }[]): void {
    if (this.#open !== null) whole.push(this.#open);
    this.#open = null;
    for (let day = this.#next ?? end; day < end; day = addDays(day, 1)) whole.push({ day, lines: this.#rows.none() });
    this.#next = end;
  }
}
