import type { Clock } from '../clock.ts';
import { EMPTY_DAY, generateDay, type DayData } from './day.ts';
import { formatDay, parseDay } from '../days.ts';
import type { Organization } from './organization.ts';
import {
  latenessSchema,
  restateCost,
  restatementSchema,
  restateUsage,
  type Lateness,
  type LatenessInput,
  type Restatement,
  type RestatementInput,
} from './restatements.ts';

/** A day as it stands now, with room for what was made from it. */
export interface Book extends DayData {
  readonly day: number;
  readonly stamp: string;
  /** Serialized rows by report and grouping; kept for days of ordinary size only. */
  readonly texts: Map<string, readonly string[]>;
}

const KEPT_LINES = 1_000_000;

/** What an organization has used and paid, day by day, as of the simulator's clock. Days are made when asked for. */
export class Books {
  readonly organization: Organization;
  readonly #clock: Clock;
  readonly #kept = new Map<number, Book>();
  readonly #rendered = new Map<number, Book>();
  #keptLines = 0;
  readonly #restatements = new Map<number, Restatement[]>();
  readonly #late = new Map<number, Lateness[]>();
  #changes = 0;

  constructor(organization: Organization, clock: Clock) {
    this.organization = organization;
    this.#clock = clock;
  }

  day(day: number): Book {
    const rendered = this.#rendered.get(day);
    if (rendered !== undefined) return rendered;
    const today = this.#clock.today();
    const nowMs = this.#clock.nowMs();
    const hours = day === today ? this.#clock.hoursBegun() : null;
    const changes = (this.#restatements.get(day) ?? []).filter((change) => (change.at ?? nowMs) <= nowMs);
    const late = (this.#late.get(day) ?? []).filter((item) => item.until === undefined || item.until > nowMs);
    const stamp = `${day > today ? 'future' : (hours ?? 'whole')}:${changes.map(({ id }) => id).join(',')}:${late.map(({ part, report }) => `${part}/${report}`).join(',')}`;
    const kept = this.#kept.get(day);
    if (kept?.stamp === stamp) return kept;
    const data = day > today ? EMPTY_DAY : this.#make(day, hours, changes, late);
    return this.#keep({ ...data, day, stamp, texts: new Map() });
  }

  /** From now on, days are what is given here, whatever the time: what is asked for often costs nothing to make. */
  keepRendered(day: number, texts: ReadonlyMap<string, readonly string[]>): void {
    this.#drop(day);
    this.#rendered.set(day, { ...EMPTY_DAY, day, stamp: 'rendered', texts: new Map(texts) });
  }

  restate(input: RestatementInput): Restatement {
    const parsed = restatementSchema.parse(input);
    this.#changes += 1;
    const change = { ...parsed, id: this.#changes };
    const day = parseDay(change.day);
    this.#rendered.delete(day);
    if (change.kind === 'split' && this.day(day).cost.length < 2) {
      throw new RangeError('a split needs a day with two rows or more');
    }
    this.#restatements.set(day, [...(this.#restatements.get(day) ?? []), change]);
    return change;
  }

  hide(input: LatenessInput): void {
    const late = latenessSchema.parse(input);
    const day = parseDay(late.day);
    this.#rendered.delete(day);
    this.#late.set(day, [...(this.#late.get(day) ?? []), late]);
  }

  /** Shows a hidden day, or every hidden day. Returns the days shown. */
  release(day?: string): string[] {
    const days = day === undefined ? [...this.#late.keys()] : [parseDay(day)].filter((key) => this.#late.has(key));
    for (const key of days) this.#late.delete(key);
    return days.map(formatDay);
  }

  #make(day: number, hours: number | null, changes: readonly Restatement[], late: readonly Lateness[]): DayData {
    let { cost, usage } = generateDay(this.organization, day, hours);
    for (const change of changes) {
      if (change.report !== 'usage') cost = restateCost(cost, change, this.organization);
      if (change.report !== 'cost') usage = restateUsage(usage, change, this.organization);
    }
    for (const { part, report } of late) {
      const threshold = part * 4_294_967_296;
      if (report !== 'usage') cost = cost.filter(({ series }) => series.hash >= threshold);
      if (report !== 'cost') usage = usage.filter(({ cell }) => cell.hash >= threshold);
    }
    return { cost, usage };
  }

  #keep(book: Book): Book {
    this.#drop(book.day);
    this.#kept.set(book.day, book);
    this.#keptLines += book.cost.length + book.usage.length;
    for (const day of this.#kept.keys()) {
      if (this.#keptLines <= KEPT_LINES || day === book.day) break;
      this.#drop(day);
    }
    return book;
  }

  #drop(day: number): void {
    const book = this.#kept.get(day);
    if (book !== undefined) {
      this.#kept.delete(day);
      this.#keptLines -= book.cost.length + book.usage.length;
    }
  }
}
