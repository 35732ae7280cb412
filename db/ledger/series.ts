import { hash } from 'node:crypto';
import { canonicalDimensions, type Dimensions, type Json } from '../../domain/lines.ts';

/** A set of dimensions, which lines of many days share. */
export interface Series {
  readonly id: string;
  readonly dimensions: Dimensions;
  /** The first 32 bits of the id, by which series are sorted. */
  readonly rank: number;
  /** Whether its lines are in US dollars, the only currency that cost totals add up. */
  readonly isDollars: boolean;
  /** Its number in Postgres, which never changes; null until it is looked up. */
  no: number | null;
}

/** The id of a series: the first 128 bits of the SHA-256 of its canonical dimensions, as a UUID. */
export function seriesIdOf(dimensions: Dimensions): string {
  const hex = hash('sha256', canonicalDimensions(dimensions));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The series of one connection and report, cached by the object of their dimensions. The readers of reports share these
 * objects between lines, so each id is computed, and each number looked up, once. Keeps no object alive.
 */
export class KnownSeries {
  readonly #known = new WeakMap<Dimensions, Series>();

  of(dimensions: Dimensions): Series {
    const known = this.#known.get(dimensions);
    if (known !== undefined) return known;
    const id = seriesIdOf(dimensions);
    const rank = Number.parseInt(id.slice(0, 8), 16);
    const series = { id, dimensions, rank, isDollars: dimensions['currency'] === 'USD', no: null };
    this.#known.set(dimensions, series);
    return series;
  }
}

/** A dimension as the text in its column; null where it is absent. A value that is not text is stored as its JSON. */
export function columnOf(dimensions: Dimensions, name: string): string | null {
  const value = dimensions[name] ?? null;
  return value === null || typeof value === 'string' ? value : JSON.stringify(value);
}

/** The dimensions that have no column, as JSON; null where there are none. */
export function extraOf(dimensions: Dimensions, withColumn: readonly string[]): string | null {
  const extra = Object.entries(dimensions).filter(([name, value]) => value !== null && !withColumn.includes(name));
  return extra.length === 0 ? null : JSON.stringify(Object.fromEntries<Json>(extra));
}
