import { addDecimals, toDecimal, type Decimal } from '../../../domain/money.ts';
import type { Day } from '../../../domain/days.ts';
import { REPORTS, type Report } from '../../../domain/lines.ts';
import type { Simulator } from '../../../simulator/simulator.ts';
import { trueCost, trueUsage } from '../../support/ledger.ts';

/** The lines of each day of a range, by report and day; a day without lines is not there. */
export type Lines = ReadonlyMap<string, string>;

/** Where a day of a report is found. */
export function placeOf(report: Report, day: Day): string {
  return `${report} ${day}`;
}

/** Puts spelled lines (which begin with their day) together by report and day. */
export function byDay(lines: Readonly<Record<Report, readonly string[]>>): Lines {
  const found = new Map<string, string>();
  for (const report of REPORTS) {
    for (const line of lines[report]) {
      const place = `${report} ${line.slice(0, 10)}`;
      const before = found.get(place);
      found.set(place, before === undefined ? line : `${before}\n${line}`);
    }
  }
  return found;
}

/** Every revision of every day of an organization that anybody could have read, oldest first. */
export class Revisions {
  readonly #simulator: Simulator;
  readonly #organization: string;
  readonly #kept = new Map<string, string[]>();

  constructor(simulator: Simulator, organization: string) {
    this.#simulator = simulator;
    this.#organization = organization;
  }

  /** Keeps what Anthropic says now of a range. To be called whenever that changed. */
  capture(from: Day, to: Day, days: readonly Day[]): void {
    const now = byDay({
      cost: trueCost(this.#simulator, from, to, this.#organization),
      usage: trueUsage(this.#simulator, from, to, this.#organization),
    });
    for (const day of days) {
      for (const report of REPORTS) {
        const place = placeOf(report, day);
        const text = now.get(place) ?? '';
        const known = this.#kept.get(place) ?? [];
        if (known.at(-1) !== text || known.length === 0) this.#kept.set(place, [...known, text]);
      }
    }
  }

  /** The number of the last revision of a day that has these lines, -1 where none has. */
  numberOf(place: string, text: string): number {
    return this.#kept.get(place)?.lastIndexOf(text) ?? -1;
  }

  /** The number of a day's last revision. */
  latest(place: string): number {
    return (this.#kept.get(place)?.length ?? 0) - 1;
  }

  /** What a revision adds up to. Of cost: USD; of usage: tokens. */
  total(place: string, number: number): Decimal {
    const text = this.#kept.get(place)?.[number] ?? '';
    const lines = text === '' ? [] : text.split('\n').map((line) => line.split(' | '));
    if (place.startsWith('cost')) return addDecimals(lines.map((fields) => toDecimal(fields.at(-1) ?? '0')));
    return addDecimals(lines.flatMap((fields) => fields.slice(6, 11).map(toDecimal)));
  }
}
