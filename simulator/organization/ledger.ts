import type { Clock } from '../clock.ts';
import { formatDay, parseDay } from '../days.ts';
import { ControlError } from '../errors.ts';
import { TWO_TO_32 } from '../random.ts';
import { EMPTY_DAY, generateDay, type DayData } from './day.ts';
import type { Organization } from './organization.ts';
import {
  latenessSchema,
  restateCost,
  restateUsage,
  restatementSchema,
  type Lateness,
  type LatenessInput,
  type Restatement,
  type RestatementInput,
} from './restatements.ts';

/** A day as it stands now. */
export interface LedgerDay extends DayData {
  readonly day: number;
  /** Differs whenever the day's data does. */
  readonly version: string;
  /** Serialized rows by report and grouping, cached here because they are valid for this version of the day only. */
  readonly rows: Map<string, readonly string[]>;
}

const MAX_CACHED_LINES = 1_000_000;

/** What an organization has used and paid, day by day, as of the simulator's clock. It makes days when asked for them. */
export class Ledger {
  readonly organization: Organization;
  readonly #clock: Clock;
  readonly #cached = new Map<number, LedgerDay>();
  readonly #prerendered = new Map<number, LedgerDay>();
  #cachedLines = 0;
  readonly #restatements = new Map<number, Restatement[]>();
  readonly #late = new Map<number, Lateness[]>();
  #restatementCount = 0;

  constructor(organization: Organization, clock: Clock) {
    this.organization = organization;
    this.#clock = clock;
  }

  day(day: number): LedgerDay {
    const prerendered = this.#prerendered.get(day);
    if (prerendered !== undefined) return prerendered;
    const today = this.#clock.today();
    const nowMs = this.#clock.nowMs();
    const hours = day === today ? this.#clock.hoursBegun() : null;
    const changes = (this.#restatements.get(day) ?? []).filter((change) => (change.at ?? nowMs) <= nowMs);
    const late = (this.#late.get(day) ?? []).filter((item) => item.until === undefined || item.until > nowMs);
    const version = [
      day > today ? 'future' : (hours ?? 'whole'),
      this.organization.events.length,
      changes.map(({ id }) => id).join(','),
      late.map(({ part, report }) => `${part}/${report}`).join(','),
    ].join(':');
    const cached = this.#cached.get(day);
    if (cached?.version === version) return cached;
    const data = day > today ? EMPTY_DAY : this.#make(day, hours, changes, late);
    return this.#cache({ ...data, day, version, rows: new Map() });
  }

  /** Serves a day from these serialized rows, whatever the time, until a restatement or lateness changes it. */
  setPrerendered(day: number, rows: ReadonlyMap<string, readonly string[]>): void {
    this.#uncache(day);
    this.#prerendered.set(day, { ...EMPTY_DAY, day, version: 'prerendered', rows: new Map(rows) });
  }

  /** Throws ControlError for a split of a day with fewer than two rows. */
  restate(input: RestatementInput): Restatement {
    const parsed = restatementSchema.parse(input);
    this.#restatementCount += 1;
    const restatement = { ...parsed, id: this.#restatementCount };
    const day = parseDay(restatement.day);
    this.#prerendered.delete(day);
    if (restatement.kind === 'split' && this.day(day).cost.length < 2) {
      throw new ControlError('a split needs a day with two rows or more');
    }
    this.#restatements.set(day, [...(this.#restatements.get(day) ?? []), restatement]);
    return restatement;
  }

  hide(input: LatenessInput): void {
    const late = latenessSchema.parse(input);
    const day = parseDay(late.day);
    this.#prerendered.delete(day);
    this.#late.set(day, [...(this.#late.get(day) ?? []), late]);
  }

  /** Shows a hidden day, or every hidden day, and returns the days that it showed. */
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
      const threshold = part * TWO_TO_32;
      if (report !== 'usage') cost = cost.filter(({ series }) => series.hash >= threshold);
      if (report !== 'cost') usage = usage.filter(({ series }) => series.hash >= threshold);
    }
    return { cost, usage };
  }

  #cache(day: LedgerDay): LedgerDay {
    this.#uncache(day.day);
    this.#cached.set(day.day, day);
    this.#cachedLines += day.cost.length + day.usage.length;
    for (const oldest of this.#cached.keys()) {
      if (this.#cachedLines <= MAX_CACHED_LINES || oldest === day.day) break;
      this.#uncache(oldest);
    }
    return day;
  }

  #uncache(day: number): void {
    const cached = this.#cached.get(day);
    if (cached === undefined) return;
    this.#cached.delete(day);
    this.#cachedLines -= cached.cost.length + cached.usage.length;
  }
}
