import { DAY_MS, startOfDayMs, type Day } from '../days.ts';
import type { Condition, SettledDay, SpendGroup } from './incident.ts';

/** What the lines of a frame have in common: a value for each of its dimensions. */
export type Leaf = readonly (string | null)[];

/** The spend of all lines whose dimension has a value, on every day. */
export interface Part {
  readonly condition: Condition;
  /** Place of the dimension among those of the frame. */
  readonly dimension: number;
  readonly values: Float64Array;
  /** The first place with spend. */
  readonly firstPlace: number;
}

/**
 * Settled days as numbers, oldest first; a day is known by its place. Floats are good enough to decide by. They are whole
 * multiples of {@link UNIT}, so sums don't depend on the order of lines.
 */
export interface Frame {
  readonly days: readonly SettledDay[];
  readonly dayNumbers: Int32Array;
  readonly total: Float64Array;
  readonly dimensions: readonly string[];
  readonly leaves: readonly Leaf[];
  /** Per day, the leaves that have spend, and their spend. */
  readonly cells: readonly { readonly leaves: Int32Array; readonly usd: Float64Array }[];
  /** Those that ever were a notable part of the spend. */
  readonly parts: readonly Part[];
}

/** A hundred-millionth of a dollar. */
const UNIT = 1e-8;
/** A part below this share of the usual total on every day is not looked at. */
const NOTABLE_SHARE = 0.02;

/** The number of a day since the epoch. */
export function dayNumberOf(day: Day): number {
  return Math.round(startOfDayMs(day) / DAY_MS);
}

/** Settled days as a frame. They may come in any order. */
export function frameOf(unsorted: readonly SettledDay[]): Frame {
  const days = [...unsorted].sort((a, b) => (a.day < b.day ? -1 : 1));
  const names = new Set(days.flatMap(({ groups }) => Object.keys(groups[0]?.dimensions ?? {})));
  const dimensions = [...names].sort();
  const index = new LeafIndex(dimensions);
  const cells = days.map(({ groups }) => cellsOf(groups, index));
  const total = Float64Array.from(days, (day) => Number(day.total));
  const frame = {
    days,
    dayNumbers: Int32Array.from(days, ({ day }) => dayNumberOf(day)),
    total,
    dimensions,
    leaves: index.leaves,
    cells,
  };
  return { ...frame, parts: partsOf(frame) };
}

function cellsOf(groups: readonly SpendGroup[], index: LeafIndex): Frame['cells'][number] {
  const leaves = new Int32Array(groups.length);
  const usd = new Float64Array(groups.length);
  let at = 0;
  for (const group of groups) {
    leaves[at] = index.placeOf(group.dimensions);
    usd[at] = Math.round(Number(group.usd) / UNIT);
    at += 1;
  }
  return { leaves, usd };
}

/**
 * Tells whether a leaf meets conditions: those on the same dimension are alternatives, those on different ones hold together.
 */
export function matcherOf(
  { dimensions }: Pick<Frame, 'dimensions'>,
  conditions: readonly Condition[],
): (leaf: Leaf) => boolean {
  const asked = dimensions.flatMap((dimension, at) => {
    const values = conditions.filter((condition) => condition.dimension === dimension).map(({ value }) => value);
    return values.length === 0 ? [] : [{ at, values }];
  });
  return (leaf) => asked.every(({ at, values }) => values.includes(leaf[at] ?? null));
}

/** The spend on every day of the lines that meet conditions, and none of those `without`. */
export function seriesOf(
  frame: Frame,
  conditions: readonly Condition[],
  without: readonly (readonly Condition[])[] = [],
): Float64Array {
  if (without.length === 0 && conditions.length === 0) return frame.total;
  const [only] = conditions;
  const isPart = without.length === 0 && conditions.length === 1;
  const part = isPart ? frame.parts.find(({ condition }) => isSame(condition, only)) : undefined;
  if (part !== undefined) return part.values;
  const isMet = matcherOf(frame, conditions);
  const isOut = without.map((one) => matcherOf(frame, one));
  const isIn = Uint8Array.from(frame.leaves, (leaf) => (isMet(leaf) && !isOut.some((is) => is(leaf)) ? 1 : 0));
  return Float64Array.from(frame.cells, ({ leaves, usd }) => {
    let sum = 0;
    for (let at = 0; at < leaves.length; at += 1) sum += isIn[leaves[at] ?? 0] === 1 ? (usd[at] ?? 0) : 0;
    return sum * UNIT;
  });
}

/** Whether two conditions are the same. */
export function isSame(a: Condition, b: Condition | undefined): boolean {
  return a.dimension === b?.dimension && a.value === b.value;
}

/** Adds up the spend of each leaf on some days. */
export function addLeaves(frame: Frame, places: readonly number[]): Float64Array {
  const sums = new Float64Array(frame.leaves.length);
  for (const place of places) {
    const { leaves, usd } = frame.cells[place] ?? { leaves: [], usd: [] };
    for (let at = 0; at < leaves.length; at += 1) {
      const leaf = leaves[at] ?? 0;
      sums[leaf] = (sums[leaf] ?? 0) + (usd[at] ?? 0);
    }
  }
  return sums.map((sum) => sum * UNIT);
}

interface Branch {
  readonly next: Map<string | null, Branch>;
  place: number;
}

/** Gives leaves their places. Looks up one dimension after the other, which is faster than making a text of all of them. */
class LeafIndex {
  readonly leaves: Leaf[] = [];
  readonly #dimensions: readonly string[];
  readonly #root: Branch = { next: new Map(), place: -1 };
  /** Days that were read together share these objects. */
  readonly #known = new Map<SpendGroup['dimensions'], number>();

  constructor(dimensions: readonly string[]) {
    this.#dimensions = dimensions;
  }

  placeOf(values: SpendGroup['dimensions']): number {
    const known = this.#known.get(values);
    if (known !== undefined) return known;
    const place = this.#find(values);
    this.#known.set(values, place);
    return place;
  }

  #find(values: SpendGroup['dimensions']): number {
    let branch = this.#root;
    for (const dimension of this.#dimensions) {
      const value = values[dimension] ?? null;
      let next = branch.next.get(value);
      if (next === undefined) {
        next = { next: new Map(), place: -1 };
        branch.next.set(value, next);
      }
      branch = next;
    }
    if (branch.place < 0) {
      branch.place = this.leaves.length;
      this.leaves.push(this.#dimensions.map((dimension) => values[dimension] ?? null));
    }
    return branch.place;
  }
}

function partsOf(frame: Omit<Frame, 'parts'>): Part[] {
  const usual = frame.total.filter((value) => value > 0).sort();
  const notable = ((usual[usual.length >> 1] ?? 0) * NOTABLE_SHARE) / UNIT;
  const parts = frame.dimensions.flatMap((_, dimension) => partsOfDimension(frame, dimension, notable));
  return parts.sort((a, b) => compareConditions(a.condition, b.condition));
}

/** The notable parts of one dimension; none if all lines have the same value. */
function partsOfDimension(frame: Omit<Frame, 'parts'>, dimension: number, notable: number): Part[] {
  const values = [...new Set(frame.leaves.map((leaf) => leaf[dimension] ?? null))];
  if (values.length < 2) return [];
  const places = new Map(values.map((value, place) => [value, place]));
  const valueOf = Int32Array.from(frame.leaves, (leaf) => places.get(leaf[dimension] ?? null) ?? 0);
  const sums = new Float64Array(values.length);
  const addDay = (place: number): void => {
    sums.fill(0);
    const { leaves, usd } = frame.cells[place] ?? { leaves: [], usd: [] };
    for (let at = 0; at < leaves.length; at += 1) {
      const value = valueOf[leaves[at] ?? 0] ?? 0;
      sums[value] = (sums[value] ?? 0) + (usd[at] ?? 0);
    }
  };
  const isNotable = new Uint8Array(values.length);
  for (let place = 0; place < frame.days.length; place += 1) {
    addDay(place);
    for (let value = 0; value < values.length; value += 1) if ((sums[value] ?? 0) >= notable) isNotable[value] = 1;
  }
  const kept = values.flatMap((value, place) =>
    isNotable[place] === 1 ? [{ value, place, values: new Float64Array(frame.days.length) }] : [],
  );
  for (let place = 0; place < frame.days.length; place += 1) {
    addDay(place);
    for (const one of kept) one.values[place] = (sums[one.place] ?? 0) * UNIT;
  }
  const name = frame.dimensions[dimension] ?? '';
  return kept.map(({ value, values: spend }) => ({
    condition: { dimension: name, value },
    dimension,
    values: spend,
    firstPlace: spend.findIndex((one) => one !== 0),
  }));
}

/** People look for a workspace first, then for a model. */
const FIRST_DIMENSIONS = ['workspace', 'workspace_id', 'model'];

/** The order in which conditions are named, and preferred where nothing else decides. */
export function compareConditions(a: Condition, b: Condition): number {
  const rank = ({ dimension }: Condition): number => {
    const place = FIRST_DIMENSIONS.indexOf(dimension);
    return place < 0 ? FIRST_DIMENSIONS.length : place;
  };
  return rank(a) - rank(b) || compareTexts(a.dimension, b.dimension) || compareTexts(a.value ?? '', b.value ?? '');
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
