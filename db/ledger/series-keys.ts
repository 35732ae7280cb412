import { hash } from 'node:crypto';
import { sizeOf, type NewSeries } from '../../domain/day-content.ts';
import { CELL_DIMENSIONS, GROUP_DIMENSIONS, USAGE_DIMENSIONS, tokenKind, unitText } from '../../domain/lines.ts';

/** What a series has in some of its dimensions, in their order. */
type Key = readonly (string | null)[];

/** The different keys of some series, and of each series the place of its own, from 1 on as in arrays of Postgres. */
interface SeriesKeys {
  readonly keys: readonly Key[];
  readonly places: Int32Array;
}

const ID_DIGITS = 32;

/** The keys that series have in some dimensions. `series` are places within `of`. */
function keysOf(of: NewSeries, series: Iterable<number>, dimensions: readonly string[]): SeriesKeys {
  const columns = dimensions.map((name) => of.columns[name]);
  // Numbers of pairs of numbers: making a text of each key would take most of the time.
  const known = columns.map(() => new Map<number, number>());
  const keys: Key[] = [];
  const places = Int32Array.from(series, (place) => {
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
export function unitsOf(of: NewSeries, series: Iterable<number>): { ids: string[]; places: Int32Array } {
  const { keys, places } = keysOf(of, series, USAGE_DIMENSIONS);
  const ids = keys.map((key) => {
    const texts = key.map((text, at) => unitText(USAGE_DIMENSIONS[at] ?? '', text));
    return hash('sha256', JSON.stringify(texts), 'hex').slice(0, ID_DIGITS);
  });
  return { ids, places };
}

/** Of each new series the kind of its token type. */
export function kindsOf({ texts, columns, extra }: NewSeries): Int32Array {
  const kinds = texts.map(tokenKind);
  return columns['token_type']?.map((text) => kinds[text] ?? 0) ?? new Int32Array(extra.length);
}

function allOf(series: NewSeries): Iterable<number> {
  return Array(sizeOf(series)).keys();
}

/** What stands for a text of a dimension. */
type TextOf = (text: string | null, dimension: string) => string | null;

/** Numbers for groups of the series of a reading. Series of one group have one number. */
export class Groups {
  readonly #dimensions: readonly string[];
  readonly #textOf: TextOf;
  readonly #known = new Map<string, number>();

  /** Series are of one group if they have the same texts in these dimensions, or what stands for them. */
  constructor(dimensions: readonly string[], textOf: TextOf = (text) => text) {
    this.#dimensions = dimensions;
    this.#textOf = textOf;
  }

  /** Of each new series the number of its group. */
  of(series: NewSeries): Int32Array {
    const { keys, places } = keysOf(series, allOf(series), this.#dimensions);
    const numbers = keys.map((key) => {
      const text = textOf(key.map((part, at) => this.#textOf(part, this.#dimensions[at] ?? '')));
      const number = this.#known.get(text) ?? this.#known.size;
      this.#known.set(text, number);
      return number;
    });
    return places.map((place) => numbers[place - 1] ?? 0);
  }
}

/** A text that no other key has. JSON would do, but takes three times as long. */
function textOf(key: Key): string {
  let text = '';
  for (const part of key) text += part === null ? '-' : `${part.length}:${part}`;
  return text;
}

/** The groups by which costs are rolled up. */
export function rollupGroups(): Groups {
  return new Groups(GROUP_DIMENSIONS);
}

/** The groups that are cells: token types that usage counts are columns of one cell. */
export function cellGroups(): Groups {
  return new Groups([...CELL_DIMENSIONS, 'token_type'], (text, dimension) =>
    dimension === 'token_type' && tokenKind(text) > 0 ? null : text,
  );
}
