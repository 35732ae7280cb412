import { hash } from 'node:crypto';
import { sizeOf, type NewSeries } from '../../domain/day-content.ts';
import { CELL_DIMENSIONS, GROUP_DIMENSIONS, USAGE_DIMENSIONS, tokenKind, unitText } from '../../domain/lines.ts';

const ID_DIGITS = 32;
/** What stands for an absent text. */
const ABSENT = -1;

/** What counts as the text of a dimension. */
type TextOf = (text: string, dimension: string) => string | null;

const asItIs: TextOf = (text) => text;

/**
 * What the series of one reading have in some dimensions, as numbers: series that have the same in all of them have the same
 * number, also on different pages. A large page has thousands of new series, so no text is made of any of them.
 */
export class SeriesKeys {
  /** Numbers of texts. Descriptions, of which there may be very many, are not among them. */
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #groups = new Tuples(GROUP_DIMENSIONS.length);
  readonly #cells = new Tuples(CELL_DIMENSIONS.length + 1);
  readonly #units = new Tuples(USAGE_DIMENSIONS.length);
  readonly #unitIds: string[] = [];

  /** Of each new series the group by which its costs are rolled up. */
  groupsOf(series: NewSeries): Int32Array {
    return this.#groups.of(GROUP_DIMENSIONS.map((name) => this.#column(series, name)));
  }

  /** Of each new series its cell. Token types that usage counts are columns of one cell. */
  cellsOf(series: NewSeries): Int32Array {
    const columns = CELL_DIMENSIONS.map((name) => this.#column(series, name));
    const tokenType = this.#column(series, 'token_type', (text) => (tokenKind(text) > 0 ? null : text));
    return this.#cells.of([...columns, tokenType]);
  }

  /**
   * Of each new series its unit, by which tokens are counted and billed, whatever their type; {@link unitId} has the id of
   * each.
   */
  unitsOf(series: NewSeries): Int32Array {
    return this.#units.of(USAGE_DIMENSIONS.map((name) => this.#column(series, name, (text) => unitText(name, text))));
  }

  /** The id of a unit. Names come from outside, so it is a digest for which nobody can make two units alike. */
  unitId(unit: number): string {
    const known = this.#unitIds[unit];
    if (known !== undefined) return known;
    const texts = this.#units.at(unit).map((number) => this.#texts[number] ?? null);
    const id = hash('sha256', JSON.stringify(texts), 'hex').slice(0, ID_DIGITS);
    this.#unitIds[unit] = id;
    return id;
  }

  /** Of each new series the number of what it has in a dimension. */
  #column(series: NewSeries, dimension: string, textOf: TextOf = asItIs): Int32Array {
    return columnOf(series, dimension, ABSENT, (text) => {
      const counted = textOf(text, dimension);
      if (counted === null) return ABSENT;
      const known = this.#numbers.get(counted);
      if (known !== undefined) return known;
      const number = this.#texts.push(counted) - 1;
      this.#numbers.set(counted, number);
      return number;
    });
  }
}

/** Of each series the kind of its token type. */
export function kindsOf(series: NewSeries): Int32Array {
  return columnOf(series, 'token_type', 0, tokenKind);
}

/** Of each series the number of its text in a dimension, or `absent`. Each text is looked at once. */
function columnOf(series: NewSeries, name: string, absent: number, numberOf: (text: string) => number): Int32Array {
  const { texts, columns } = series;
  const numbers = new Int32Array(texts.length);
  const isKnown = new Uint8Array(texts.length);
  const column = columns[name] ?? new Int32Array(sizeOf(series)).fill(-1);
  return column.map((place) => {
    if (place < 0) return absent;
    if (isKnown[place] !== 1) {
      isKnown[place] = 1;
      numbers[place] = numberOf(texts[place] ?? '');
    }
    return numbers[place] ?? absent;
  });
}

const FIRST_SLOTS = 2 ** 8;
const MIX = 0x9e3779b1;

/** Tuples of numbers, each with a number of its own, as an open-addressing hash table. */
class Tuples {
  readonly #width: number;
  /** One behind the other, in the order of their numbers. */
  #tuples: Int32Array<ArrayBuffer>;
  #count = 0;
  /** The number of a tuple plus one; 0 where the slot is free. Twice as many slots as tuples, so few collide. */
  #slots = new Int32Array(FIRST_SLOTS);

  constructor(width: number) {
    this.#width = width;
    this.#tuples = new Int32Array(width * FIRST_SLOTS);
  }

  /** The numbers of the tuples that lie side by side in the columns. */
  of(columns: readonly Int32Array[]): Int32Array {
    const numbers = new Int32Array(columns[0]?.length ?? 0);
    const tuple = new Int32Array(this.#width);
    for (let row = 0; row < numbers.length; row += 1) {
      for (let at = 0; at < tuple.length; at += 1) tuple[at] = columns[at]?.[row] ?? 0;
      numbers[row] = this.#numberOf(tuple);
    }
    return numbers;
  }

  /** The tuple with a number. */
  at(number: number): number[] {
    return [...this.#tuples.subarray(number * this.#width, (number + 1) * this.#width)];
  }

  #numberOf(tuple: Int32Array): number {
    const slot = this.#slotOf(tuple, 0);
    const known = (this.#slots[slot] ?? 0) - 1;
    if (known >= 0) return known;
    const number = this.#count;
    this.#count += 1;
    if (this.#count * this.#width > this.#tuples.length) this.#tuples = longer(this.#tuples);
    this.#tuples.set(tuple, number * this.#width);
    this.#slots[slot] = number + 1;
    if (2 * this.#count > this.#slots.length) this.#growSlots();
    return number;
  }

  /** The slot of the tuple that lies at `from`, or the free one where it belongs. */
  #slotOf(tuples: Int32Array, from: number): number {
    const mask = this.#slots.length - 1;
    let mixed = 0;
    for (let at = 0; at < this.#width; at += 1) {
      mixed = Math.imul(mixed ^ (tuples[from + at] ?? 0), MIX);
      mixed ^= mixed >>> 15;
    }
    let slot = mixed & mask;
    for (;;) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0 || this.#isEqual(number, tuples, from)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isEqual(number: number, tuples: Int32Array, from: number): boolean {
    const start = number * this.#width;
    for (let at = 0; at < this.#width; at += 1) if (this.#tuples[start + at] !== tuples[from + at]) return false;
    return true;
  }

  #growSlots(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (let number = 0; number < this.#count; number += 1)
      this.#slots[this.#slotOf(this.#tuples, number * this.#width)] = number + 1;
  }
}

function longer(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const doubled = new Int32Array(2 * numbers.length);
  doubled.set(numbers);
  return doubled;
}
