import { setImmediate as turn } from 'node:timers/promises';
import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { sizeOf, type NewSeries } from '../../domain/day-content.ts';
import type { Report } from '../../domain/lines.ts';
import { ConnectionGoneError, sharingLive } from '../connections/live.ts';
import {
  databaseFailure,
  elementOf,
  elementsArray,
  list,
  numberArray,
  preparedRows,
  type Db,
} from '../core/database.ts';
import { LINE_TABLES, type LineTable } from './line-tables.ts';
import { SeriesKeys, kindsOf } from './series-keys.ts';

/** More would take much memory at once, and hold up the worker while they are written down. */
const SERIES_PER_STATEMENT = 6_000;
const ID_DIGITS = 32;

/**
 * The numbers in Postgres of the series of one reading, by their places. A number never changes, so each is looked up
 * once.
 */
export class SeriesNumbers {
  /** By place; 0 where the number is not known yet. */
  #numbers = new Int32Array(1024);
  readonly #keys = new SeriesKeys();
  /** These three by place. */
  #groupOf = new Int32Array(1024);
  #cellOf = new Int32Array(1024);
  #kindOf = new Int32Array(1024);
  #unnumbered: NewSeries[] = [];
  #numbering: Promise<void> = Promise.resolve();

  /** Takes the series of a page. They have no numbers until {@link number} was called. */
  add(series: NewSeries): void {
    if (sizeOf(series) > 0) this.#unnumbered.push(series);
  }

  /** The number of the series at a place. */
  of(place: number): number {
    const number = this.#numbers[place] ?? 0;
    if (number === 0) throw new Error('a line was written before its series had a number');
    return number;
  }

  /** The group by which the costs of the series at a place are rolled up. Any two series of one group have the same. */
  groupOf(place: number): number {
    return this.#groupOf[place] ?? 0;
  }

  /** The cell that the costs of the series at a place belong to. Any two series of one cell have the same. */
  cellOf(place: number): number {
    return this.#cellOf[place] ?? 0;
  }

  /** The kind of token of the series at a place, which is its column in a cell. */
  kindOf(place: number): number {
    return this.#kindOf[place] ?? 0;
  }

  /**
   * Looks up the numbers of all series that were added, and stores the series that are new. This is not part of the
   * transaction that writes the days: a series without lines is visible nowhere, and days that are written at the same
   * time wait for each other's new series only for a moment. With `areNew`, all series are expected to be new, and are not
   * searched first. Throws {@link ConnectionGoneError}.
   */
  number(db: Db, report: Report, connectionId: string, areNew = false): Promise<void> {
    const series = this.#unnumbered.splice(0);
    // One page at a time: the lines of a page may be of series that the page before it brought.
    this.#numbering = this.#numbering.then(async () => {
      for (const some of series) {
        if (LINE_TABLES[report].isRolledUp) {
          this.#groupOf = withPart(this.#groupOf, some.first, this.#keys.groupsOf(some));
          this.#cellOf = withPart(this.#cellOf, some.first, this.#keys.cellsOf(some));
          this.#kindOf = withPart(this.#kindOf, some.first, kindsOf(some));
        }
        const units = this.#keys.unitsOf(some);
        // Each of these two takes as long as the event loop should be held up at once.
        await turn();
        const elements = some.texts.map(elementOf);
        for (let from = 0; from < sizeOf(some); from += SERIES_PER_STATEMENT) {
          const to = Math.min(from + SERIES_PER_STATEMENT, sizeOf(some));
          const part = new SeriesPart(some, elements, this.#keys, units.subarray(from, to), from);
          await numberPart(db, LINE_TABLES[report], connectionId, part, areNew && !some.mayBeKnown);
          this.#numbers = withPart(this.#numbers, some.first + from, part.numbers);
        }
      }
    });
    return this.#numbering;
  }
}

/** The array with a part from a place on; a longer one where it has no room. */
function withPart(all: Int32Array<ArrayBuffer>, first: number, part: Int32Array): Int32Array<ArrayBuffer> {
  const last = first + part.length;
  const kept = last > all.length ? new Int32Array(2 * last) : all;
  if (kept !== all) kept.set(all);
  kept.set(part, first);
  return kept;
}

/** Some of a page's new series, and the numbers of those that have one. */
class SeriesPart {
  readonly #series: NewSeries;
  /** The texts of the series as elements of arrays. */
  readonly #elements: readonly string[];
  readonly #keys: SeriesKeys;
  readonly #from: number;
  /** The unit of each. */
  readonly #units: Int32Array;
  /** 0 where it is not known. */
  readonly numbers: Int32Array;

  constructor(series: NewSeries, elements: readonly string[], keys: SeriesKeys, units: Int32Array, from: number) {
    this.#series = series;
    this.#elements = elements;
    this.#keys = keys;
    this.#units = units;
    this.#from = from;
    this.numbers = new Int32Array(units.length);
  }

  /** The places within this part that have no number. */
  unnumbered(): number[] {
    const places: number[] = [];
    for (let place = 0; place < this.numbers.length; place += 1) if (this.numbers[place] === 0) places.push(place);
    return places;
  }

  idsOf(places: readonly number[]): string[] {
    const { ids } = this.#series;
    return places.map((place) => {
      const at = (this.#from + place) * ID_DIGITS;
      return ids.slice(at, at + ID_DIGITS);
    });
  }

  /** For each column, and last for the dimensions without one, its text per series as an element of an array. */
  columnsOf(places: readonly number[], names: readonly string[]): string[][] {
    const { columns, extra } = this.#series;
    const spell = (column: Int32Array | undefined): string[] =>
      places.map((place) => this.#elements[column?.[this.#from + place] ?? -1] ?? elementOf(null));
    return [...names.map((name) => spell(columns[name])), spell(extra)];
  }

  /** The ids of the different units, and of each series the place of its own, from 1 on as in arrays of Postgres. */
  unitsOf(places: readonly number[]): { ids: string[]; places: number[] } {
    const known = new Map<number, number>();
    const ofPlaces = places.map((place) => {
      const unit = this.#units[place] ?? 0;
      const at = known.get(unit) ?? known.size + 1;
      if (at > known.size) known.set(unit, at);
      return at;
    });
    return { ids: Array.from(known.keys(), (unit) => this.#keys.unitId(unit)), places: ofPlaces };
  }

  /** `numbers` has one number per place, in their order; 0 for a series that is not stored. */
  setNumbers(places: readonly number[], numbers: string): void {
    const texts = numbers.split(',');
    for (let at = 0; at < places.length; at += 1) this.numbers[places[at] ?? 0] = Number(texts[at] ?? 0);
  }
}

async function numberPart(
  db: Db,
  table: LineTable,
  connectionId: string,
  part: SeriesPart,
  areNew: boolean,
): Promise<void> {
  if (areNew && (await wereNew(addNew(db, table, connectionId, part)))) return;
  await findNumbers(db, table, connectionId, part);
  await addMissing(db, table, connectionId, part);
  await findNumbers(db, table, connectionId, part);
}

const UNIQUE_VIOLATION = '23505';

/** Whether series were added; false, and none was, where one of them was stored already. */
async function wereNew(adding: Promise<void>): Promise<boolean> {
  try {
    await adding;
    return true;
  } catch (error) {
    if (databaseFailure(error)?.code === UNIQUE_VIOLATION) return false;
    throw error;
  }
}

async function findNumbers(db: Db, table: LineTable, connectionId: string, part: SeriesPart): Promise<void> {
  const places = part.unnumbered();
  if (places.length === 0) return;
  // All numbers come in one text: reading tens of thousands of rows would take longer than finding them.
  const [found] = await preparedRows(
    db,
    z.object({ numbers: z.string() }),
    sql`
      select string_agg(coalesce(s.series_no, 0)::text, ',' order by asked.place) as numbers
      from unnest(${numberArray('uuid', part.idsOf(places))}) with ordinality as asked(id, place)
      left join ${sql.identifier(table.series)} s on s.connection_id = ${connectionId} and s.series_id = asked.id
    `,
  );
  part.setNumbers(places, found?.numbers ?? '');
}

/**
 * Stores series that are expected to be new, with numbers that are drawn beforehand: to have the numbers from the insert
 * takes a fifth longer. Fails, and stores none, where one of them is stored. Throws {@link ConnectionGoneError}.
 */
async function addNew(db: Db, table: LineTable, connectionId: string, part: SeriesPart): Promise<void> {
  const { places, columns, sent } = sending(table, part);
  const [added] = await preparedRows(
    db,
    z.object({ numbers: z.string().nullable() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), sent as materialized (
        select sent.*, nextval(${sql.raw(`'${table.series}_series_no_seq'`)})::int as series_no from (${sent}) sent
      ), added as (
        insert into ${sql.identifier(table.series)} (${columns}, series_no) overriding system value
        select ${columns}, series_no from sent
      )
      select string_agg(series_no::text, ',' order by place) as numbers from sent
    `,
  );
  if (added?.numbers == null) throw new ConnectionGoneError(connectionId);
  part.setNumbers(places, added.numbers);
}

/**
 * Stores the series that have no number, unless they are stored by now. Each that is burns a number of the identity column,
 * so they are searched first. Throws {@link ConnectionGoneError}.
 */
async function addMissing(db: Db, table: LineTable, connectionId: string, part: SeriesPart): Promise<void> {
  const { places, columns, sent } = sending(table, part);
  if (places.length === 0) return;
  const [added] = await preparedRows(
    db,
    z.object({ live: z.boolean() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), added as (
        insert into ${sql.identifier(table.series)} (${columns})
        select ${columns} from (${sent}) sent
        on conflict (connection_id, series_id) do nothing
      )
      select exists (select from live) as live
    `,
  );
  if (added?.live !== true) throw new ConnectionGoneError(connectionId);
}

/** The series of a part that have no number, as rows that a statement inserts where the connection is `live`. */
function sending(table: LineTable, part: SeriesPart): { places: readonly number[]; columns: SQL; sent: SQL } {
  const places = part.unnumbered();
  const dimensions = list(table.dimensions.map((name) => sql.identifier(name)));
  const texts = list(part.columnsOf(places, table.dimensions).map((elements) => elementsArray('text', elements)));
  const units = part.unitsOf(places);
  return {
    places,
    columns: sql`connection_id, series_id, unit_id, extra, ${dimensions}`,
    // Sorted, so that two transactions with the same new series lock them in one order and cannot deadlock.
    sent: sql`
      select
        live.id as connection_id, series_id, (${numberArray('uuid', units.ids)})[unit] as unit_id, extra::jsonb as extra,
        ${dimensions}, place
      from live, unnest(
        ${numberArray('uuid', part.idsOf(places))}, ${numberArray('integer', units.places)}, ${texts}
      ) with ordinality as sent(series_id, unit, ${dimensions}, extra, place)
      order by series_id
    `,
  };
}
