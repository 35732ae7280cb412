import type { NewSeries } from '../domain/day-content.ts';
import type { Dimensions, Json } from '../domain/lines.ts';
import { Numbers } from './bytes.ts';
import type { Field } from './fields.ts';
import { parseField } from './json.ts';
import { ValueTable, Values } from './value-table.ts';

/** The dimensions of series that a page has brought, as columns; see {@link NewSeries}. */
export class NewSeriesColumns {
  readonly #names: readonly string[];
  readonly #columns: readonly Numbers[];
  readonly #extra = new Numbers();
  readonly #texts: string[] = [];
  readonly #places = new Map<string, number>();
  /** The texts by how the page spells them, so that each is decoded once; and the place of each. */
  readonly #spelled = new ValueTable();
  readonly #placesOfSpelled = new Numbers();
  readonly #value = new Values();

  /** `names` are the dimensions that have a column. */
  constructor(names: readonly string[]) {
    this.#names = names;
    this.#columns = names.map(() => new Numbers());
  }

  get count(): number {
    return this.#extra.length;
  }

  /** Adds a series whose dimensions are all texts and have columns: `fields` are those of the columns, in their order. */
  addPlain(body: Uint8Array, dimensions: Values, fields: readonly (Field | undefined)[]): void {
    for (let column = 0; column < this.#columns.length; column += 1) {
      const field = fields[column];
      const from = field === undefined ? -1 : (dimensions.froms[field.number] ?? -1);
      this.#columns[column]?.push(from < 0 ? -1 : this.#placeOfSpelled(body, dimensions, field?.number ?? 0));
    }
    this.#extra.push(-1);
  }

  add(dimensions: Dimensions): void {
    for (const [column, name] of this.#names.entries())
      this.#columns[column]?.push(this.#placeOf(columnOf(dimensions, name)));
    this.#extra.push(this.#placeOf(extraOf(dimensions, this.#names)));
  }

  taken(): Pick<NewSeries, 'texts' | 'columns' | 'extra'> {
    const columns = this.#names.map(
      (name, column) => [name, this.#columns[column]?.taken() ?? new Int32Array(0)] as const,
    );
    return { texts: this.#texts, columns: Object.fromEntries(columns), extra: this.#extra.taken() };
  }

  #placeOf(text: string | null): number {
    if (text === null) return -1;
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    const place = this.#texts.push(text) - 1;
    this.#places.set(text, place);
    return place;
  }

  #placeOfSpelled(body: Uint8Array, dimensions: Values, field: number): number {
    const value = this.#value;
    value.clear();
    value.copy(dimensions, field);
    const known = this.#spelled.find(body, value);
    if (known >= 0) return this.#placesOfSpelled.at(known);
    this.#spelled.add(body, value);
    const text = parseField(body, dimensions.froms[field] ?? 0, dimensions.tos[field] ?? 0);
    const place = this.#placeOf(typeof text === 'string' ? text : JSON.stringify(text));
    this.#placesOfSpelled.push(place);
    return place;
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
