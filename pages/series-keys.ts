import { hash } from 'node:crypto';
import type { NewSeries } from '../domain/day-content.ts';
import { GROUP_DIMENSIONS, USAGE_DIMENSIONS, unitText } from '../domain/lines.ts';

/** The dimensions of series, as columns. */
type Columns = Pick<NewSeries, 'texts' | 'columns' | 'extra'>;

/** What a series has in some of its dimensions, in their order. */
type Key = readonly (string | null)[];

/** The different keys of some series, and of each series the place of its own, from 1 on as in arrays of Postgres. */
interface SeriesKeys {
  readonly keys: readonly Key[];
  readonly places: Int32Array;
}

const ID_DIGITS = 32;

/** The keys that series have in some dimensions. */
function keysOf(of: Columns, dimensions: readonly string[]): SeriesKeys {
  const columns = dimensions.map((name) => of.columns[name]);
  // Numbers of pairs of numbers: making a text of each key would take most of the time.
  const known = columns.map(() => new Map<number, number>());
  const keys: Key[] = [];
  const places = of.extra.map((_, place) => {
    let key = 0;
    let isNew = false;
    for (let at = 0; at < columns.length; at += 1) {
      const pair = key * (of.texts.length + 1) + (columns[at]?.[place] ?? -1) + 1;
      const found = known[at]?.get(pair);
      isNew = found === undefined;
      key = found ?? (known[at]?.size ?? 0) + 1;
      if (isNew) known[at]?.set(pair, key);
    }
    if (isNew) keys.push(columns.map((column) => of.texts[column?.[place] ?? -1] ?? null));
    return key;
  });
  return { keys, places };
}

/**
 * The units of series: the ids of the different ones, and of each series the place of its own, from 1 on. A unit is what
 * tokens are counted and billed by, whatever their type. Names come from outside, so the id is a digest for which nobody
 * can make two units alike.
 */
export function unitsOf(series: Columns): { ids: string[]; places: Int32Array } {
  const { keys, places } = keysOf(series, USAGE_DIMENSIONS);
  const ids = keys.map((key) => {
    const texts = key.map((text, at) => unitText(USAGE_DIMENSIONS[at] ?? '', text));
    return hash('sha256', JSON.stringify(texts), 'hex').slice(0, ID_DIGITS);
  });
  return { ids, places };
}

/** Numbers for the groups by which the costs of a reading are rolled up. Series of one group have one number. */
export class Groups {
  readonly #known = new Map<string, number>();

  /** Of each new series the number of its group. */
  of(series: Columns): Int32Array {
    const { keys, places } = keysOf(series, GROUP_DIMENSIONS);
    const numbers = keys.map((key) => {
      const text = JSON.stringify(key);
      const number = this.#known.get(text) ?? this.#known.size;
      this.#known.set(text, number);
      return number;
    });
    return places.map((place) => numbers[place - 1] ?? 0);
  }
}
