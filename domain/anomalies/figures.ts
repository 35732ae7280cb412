import { addDecimals, ofUnits, subtractDecimals, toDecimal, toUnits, type Decimal } from '../money.ts';
import { weekdayOf } from './flat.ts';
import { matcherOf, type Frame, type Leaf } from './frame.ts';
import type { Condition, IncidentChange, IncidentDay, SpendGroup } from './incident.ts';
import { expectedOn } from './reading.ts';
import type { Move } from './track.ts';

/** Prices and volumes are rounded to so many decimals, as in `/v1/costs/changes`. */
const DIGITS = 12;
/** Days of an incident are compared with those of so many days before it. */
const COMPARED_DAYS = 28;

/** What a move cost on each of its days, exactly, and what was expected, in cents. */
export function daysOfMove(frame: Frame, move: Move): IncidentDay[] {
  const isMet = groupMatcher(frame, move.cause);
  return placesOf(move).flatMap((place) => {
    const settled = frame.days[place];
    if (settled === undefined) return [];
    const day = frame.dayNumbers[place] ?? 0;
    const expect = (errors: number): Decimal =>
      move.expectation === null ? inCents(0) : inCents(expectedOn(move.expectation, day, errors));
    const observed =
      move.cause.length === 0
        ? settled.total
        : addDecimals(settled.groups.filter((group) => isMet(group)).map(({ usd }) => usd));
    return {
      day: settled.day,
      observed,
      expected: expect(0),
      low: expect(-(move.expectation?.down ?? 0)),
      high: expect(move.expectation?.up ?? 0),
    };
  });
}

/** Why the spend of the cause differs from the one on comparable days before the move. */
export function changeOfMove(frame: Frame, move: Move): IncidentChange {
  const places = placesOf(move);
  const earlier = places.map((place) => comparable(frame, move.first, place));
  const cells = new Map<string, Cell>();
  addCells(frame, move.cause, places, cells, 'after');
  addCells(frame, move.cause, earlier, cells, 'before');
  return changeOf([...cells.values()]);
}

/** A sum of both ranges for what has all dimensions in common. */
interface Cell {
  readonly before: Total;
  readonly after: Total;
}

interface Total {
  readonly usd: Decimal[];
  tokens: bigint;
}

/** Splits a change. `volume`, `mix`, `price` and `unmatched` add up to it exactly. */
function changeOf(cells: readonly Cell[]): IncidentChange {
  const all = cells.map((cell) => ({
    before: { usd: addDecimals(cell.before.usd), tokens: cell.before.tokens },
    after: { usd: addDecimals(cell.after.usd), tokens: cell.after.tokens },
  }));
  const sum = (amounts: readonly Decimal[]): Decimal => addDecimals(amounts);
  const before = sum(all.map((cell) => cell.before.usd));
  const after = sum(all.map((cell) => cell.after.usd));
  const change = subtractDecimals(after, before);
  const price = sum(
    all.flatMap(({ before: b, after: a }) =>
      b.tokens > 0n && a.tokens > 0n ? [quotient([a.usd, b.tokens], [b.usd, a.tokens], b.tokens)] : [],
    ),
  );
  const unmatched = subtractDecimals(
    sum(all.flatMap((cell) => (cell.after.tokens === 0n ? [cell.after.usd] : []))),
    sum(all.flatMap((cell) => (cell.before.tokens === 0n ? [cell.before.usd] : []))),
  );
  const matched = sum(all.flatMap((cell) => (cell.before.tokens > 0n ? [cell.before.usd] : [])));
  const count = (side: 'before' | 'after'): bigint => all.reduce((tokens, cell) => tokens + cell[side].tokens, 0n);
  const [earlier, later] = [count('before'), count('after')];
  const volume = earlier === 0n ? sum([]) : quotient([matched, later], [matched, earlier], earlier);
  const mix = subtractDecimals(change, sum([volume, price, unmatched]));
  return { before, after, change, volume, mix, price, unmatched };
}

/** (a × x - b × y) / divisor, rounded half away from zero. The divisor is above zero. */
function quotient([a, x]: [Decimal, bigint], [b, y]: [Decimal, bigint], divisor: bigint): Decimal {
  const { units, scale } = toUnits([a, b], DIGITS);
  const numerator = (units[0] ?? 0n) * x - (units[1] ?? 0n) * y;
  const denominator = divisor * 10n ** BigInt(scale - DIGITS);
  const size = numerator < 0n ? -numerator : numerator;
  const rounded = (2n * size + denominator) / (2n * denominator);
  return ofUnits(numerator < 0n ? -rounded : rounded, DIGITS);
}

function addCells(
  frame: Frame,
  cause: readonly Condition[],
  places: readonly number[],
  cells: Map<string, Cell>,
  side: keyof Cell,
): void {
  const isMet = groupMatcher(frame, cause);
  for (const place of places) {
    for (const group of frame.days[place]?.groups ?? []) {
      if (!isMet(group)) continue;
      const key = JSON.stringify(leafOf(frame, group));
      const cell = cells.get(key) ?? { before: { usd: [], tokens: 0n }, after: { usd: [], tokens: 0n } };
      cells.set(key, cell);
      cell[side].usd.push(group.usd);
      cell[side].tokens += BigInt(Math.max(0, Math.round(group.tokens ?? 0)));
    }
  }
}

/** The last day before a move that is comparable to one of its days: the same weekday, or else the day just before. */
function comparable(frame: Frame, first: number, place: number): number {
  const weekday = weekdayOf(frame.dayNumbers[place] ?? 0);
  for (let past = first - 1; past >= Math.max(0, first - COMPARED_DAYS); past -= 1) {
    if (weekdayOf(frame.dayNumbers[past] ?? 0) === weekday) return past;
  }
  return first - 1;
}

function placesOf({ first, last }: Move): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function groupMatcher(frame: Frame, conditions: readonly Condition[]): (group: SpendGroup) => boolean {
  const isMet = matcherOf(frame, conditions);
  return (group) => isMet(leafOf(frame, group));
}

function leafOf(frame: Frame, { dimensions }: SpendGroup): Leaf {
  return frame.dimensions.map((dimension) => dimensions[dimension] ?? null);
}

function inCents(amount: number): Decimal {
  return toDecimal(amount.toFixed(2));
}
