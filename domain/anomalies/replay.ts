import { seriesOf, type Frame, type Part } from './frame.ts';
import type { Condition, IncidentEnd, IncidentKind } from './incident.ts';
import { locate, type Location } from './locate.ts';
import {
  LEAST_DAYS,
  errorOn,
  expectedOn,
  readAt,
  weekdayOf,
  type Deviation,
  type Expectation,
  type Reading,
} from './reading.ts';
import { meanOf, medianOf } from './statistics.ts';

/** A day on which a move shows, and how clearly. */
export interface Evidence {
  readonly place: number;
  /** 1 is just enough at medium sensitivity. */
  readonly strength: number;
  /** What the day cost above what was expected, in US dollars; positive for a drop as well. */
  readonly usd: number;
  /** The same as a share of the usual total of a day. */
  readonly share: number;
}

/** A move of the spend that the days show, whatever the sensitivity. Days are places in the frame. */
export interface Move extends Omit<Location, 'overlaps'> {
  readonly kind: IncidentKind;
  readonly direction: 1 | -1;
  readonly first: number;
  readonly last: number;
  readonly evidence: readonly Evidence[];
  /** What to expect of the cause; null if nothing. */
  readonly expectation: Expectation | null;
  readonly end: Extract<IncidentEnd, 'back' | 'new_normal'> | null;
}

/** What somebody said of a move that begins on a day. */
export type Advice = (move: Pick<Move, 'cause' | 'direction' | 'first'>) => 'expected' | 'real' | null;

/** Moves that are weaker than this are not followed. Every sensitivity asks for more. */
export const LEAST_STRENGTH = 0.72;
/** Nor are those below these amounts on a day. */
export const LEAST_USD = 0.85;
/** Nor below this share of the usual total. */
export const LEAST_SHARE = 0.04;

/** A level that lasts so many days is the new normal. */
const NORMAL_DAYS = 14;
const CONFIRMED_DAYS = 3;
/** A move is over after so many days back in the band. */
const QUIET_DAYS = { short: 1, long: 2, new_spend: 4 };
/** A move goes on while it has this share of its size. */
const STILL_OUT = 0.4;
const STILL_USED = 0.1;
/** A part of the spend is judged more strictly than the total, since there are many. */
const PART_STRICTNESS = 1.6;
/** A day that shares this much of a move is not judged by itself. */
const OVERLAP = 0.1;
/** A day of a spike counts among what is usual as if it had been this much beyond its band. */
const REMEMBERED = 1.3;
/** New values of a dimension are no news where it has so many of them within {@link NEWS_DAYS} days. */
const MANY_NEW = 4;
const NEWS_DAYS = 60;
const NEW_FOR_DAYS = 14;
/** More incidents than {@link FRESH_FOR} within so many days raise what the next one takes. */
const WEARY_DAYS = 180;
const FRESH_FOR = { [1]: 2, [-1]: 1 };
const WEARY_BY = 0.5;
const COMPARED_DAYS = 28;
/** A shift that grew so much is a drift. */
const GREW = 1.6;

/** Every move that the days show, oldest first. Each day is judged by the days before it alone. */
export function replay(frame: Frame, advice: Advice): Move[] {
  const run = new Replay(frame, advice);
  for (let place = 0; place < frame.days.length; place += 1) run.judge(place);
  return run.moves();
}

/** A move that goes on. */
interface Track {
  readonly location: Location;
  readonly isNew: boolean;
  readonly isDrift: boolean;
  readonly direction: 1 | -1;
  readonly first: number;
  readonly openedAt: number;
  readonly values: Float64Array;
  readonly expectation: Expectation | null;
  readonly limits: { readonly day: number; readonly shift: number };
  readonly evidence: Evidence[];
  /** On the days that show the move: how far they are out, on the scale of logarithms; in US dollars if nothing was expected. */
  readonly errors: number[];
  last: number;
  quiet: number;
  end: Move['end'];
}

class Replay {
  readonly #frame: Frame;
  readonly #advice: Advice;
  readonly #tracks: Track[] = [];
  readonly #total: Float64Array;
  readonly #parts: readonly { readonly part: Part; readonly values: Float64Array }[];
  readonly #placeOfDay: ReadonlyMap<number, number>;

  constructor(frame: Frame, advice: Advice) {
    this.#frame = frame;
    this.#advice = advice;
    this.#total = frame.total.slice();
    this.#parts = frame.parts.map((part) => ({ part, values: part.values.slice() }));
    this.#placeOfDay = new Map(Array.from(frame.dayNumbers, (day, place) => [day, place]));
  }

  moves(): Move[] {
    return this.#tracks
      .map((track) => ({
        ...track.location,
        kind: kindOf(track),
        direction: track.direction,
        first: track.first,
        last: track.last,
        evidence: track.evidence,
        expectation: track.expectation,
        end: track.end,
      }))
      .sort((a, b) => a.first - b.first);
  }

  judge(place: number): void {
    for (const track of this.#open()) this.#follow(track, place);
    if (place < LEAST_DAYS) return;
    const usual = this.#usualTotal(place);
    if (!(usual > 0)) return;
    this.#judgeNews(place, usual);
    this.#judgeTotal(place, usual);
    this.#judgeParts(place, usual);
  }

  #open(): Track[] {
    return this.#tracks.filter(({ end }) => end === null);
  }

  #usualTotal(place: number): number {
    const before = this.#total.subarray(Math.max(0, place - COMPARED_DAYS), place).filter((value) => value > 0);
    return before.length === 0 ? 0 : medianOf(before);
  }

  /** Whether the move goes on on this day, and what the day was without it. */
  #follow(track: Track, place: number): void {
    const day = this.#frame.dayNumbers[place] ?? 0;
    const value = track.values[place] ?? 0;
    const expected = track.expectation === null ? 0 : expectedOn(track.expectation, day);
    const error = track.direction * (track.expectation === null ? value : errorOn(track.expectation, day, value));
    const usual = track.expectation?.errors[weekdayOf(day)] ?? 0;
    if (error >= leastErrorOf(track, usual)) {
      track.last = place;
      track.quiet = 0;
      this.#addEvidence(track, place, error, track.direction * (value - expected));
      this.#takeOut(track, place);
      if (this.#isNormal(track, place)) this.#settle(track, place);
      return;
    }
    track.quiet += 1;
    this.#hideParts(track, place);
    const kind = kindOf(track);
    const isShort = track.errors.length < CONFIRMED_DAYS;
    const patience = kind === 'new_spend' ? QUIET_DAYS.new_spend : isShort ? QUIET_DAYS.short : QUIET_DAYS.long;
    if (track.quiet < patience) return;
    track.end = 'back';
    if (isShort && this.#advice(this.#subject(track)) !== 'real') this.#remember(track);
  }

  #subject(track: Track): Pick<Move, 'cause' | 'direction' | 'first'> {
    return { cause: track.location.cause, direction: track.direction, first: track.first };
  }

  #addEvidence(track: Track, place: number, error: number, usd: number): void {
    track.errors.push(error);
    const weekday = weekdayOf(this.#frame.dayNumbers[place] ?? 0);
    const oneDay = error / (track.limits.day * (track.expectation?.errors[weekday] ?? 1));
    const lately = meanOf(Float64Array.from(track.errors.slice(-CONFIRMED_DAYS)));
    const lasting = track.errors.length < CONFIRMED_DAYS ? 0 : lately / track.limits.shift;
    const isEarly = place - track.first < CONFIRMED_DAYS;
    const strength = track.expectation === null ? NEW_STRENGTH : isEarly ? Math.max(oneDay, lasting) : lasting / GREW;
    track.evidence.push({ place, strength, usd, share: usd / Math.max(this.#usualTotal(place), Number.MIN_VALUE) });
  }

  #isNormal(track: Track, place: number): boolean {
    const days = (this.#frame.dayNumbers[place] ?? 0) - (this.#frame.dayNumbers[track.first] ?? 0) + 1;
    if (this.#advice(this.#subject(track)) === 'expected') return days >= CONFIRMED_DAYS;
    if (kindOf(track) !== 'drift') return days >= NORMAL_DAYS;
    const [lately, before] = [track.errors.slice(-7), track.errors.slice(-14, -7)].map((part) =>
      meanOf(Float64Array.from(part)),
    );
    return days >= 2 * NORMAL_DAYS && (lately ?? 0) < 1.1 * (before ?? 0);
  }

  /** Takes a move out of a day, so that the day can be judged, and count as usual, without it. */
  #takeOut(track: Track, place: number): void {
    const { location, expectation } = track;
    this.#hideParts(track, place);
    if (track.isDrift || location.counterpart.length > 0) return;
    const day = this.#frame.dayNumbers[place] ?? 0;
    if (location.cause.length > 0) {
      const expected = expectation === null ? 0 : expectedOn(expectation, day);
      this.#total[place] = (this.#total[place] ?? 0) - ((track.values[place] ?? 0) - expected);
    } else if (expectation !== null) {
      const shift = track.direction * medianOf(Float64Array.from(track.errors.slice(-7)));
      const isConfirmed = track.errors.length >= CONFIRMED_DAYS;
      this.#total[place] = isConfirmed ? moved(this.#total[place] ?? 0, expectation.offset, -shift) : Number.NaN;
    }
  }

  /** Parts that a move goes through can't be judged by themselves on a day. */
  #hideParts({ location }: Track, place: number): void {
    for (const [at, { values }] of this.#parts.entries()) {
      if ((location.overlaps[at] ?? 0) >= OVERLAP) values[place] = Number.NaN;
    }
  }

  /** The level of a move is the new normal: the days before it count as if they had been at that level. */
  #settle(track: Track, place: number): void {
    track.end = 'new_normal';
    const { location, expectation } = track;
    for (const [at, { part, values }] of this.#parts.entries()) {
      if ((location.overlaps[at] ?? 0) < OVERLAP) continue;
      values.fill(Number.NaN, 0, track.first);
      for (let past = track.first; past <= place; past += 1) values[past] = part.values[past] ?? 0;
    }
    if (track.isDrift || location.counterpart.length > 0) return;
    if (location.cause.length === 0) {
      const shift = track.direction * medianOf(Float64Array.from(track.errors.slice(-7)));
      for (let past = 0; past <= place; past += 1) {
        this.#total[past] = moved(this.#total[past] ?? 0, expectation?.offset ?? 0, shift);
      }
      return;
    }
    this.#raiseTotal(track, place);
  }

  /** Adds to the days before a move what its cause would have had more on them. */
  #raiseTotal(track: Track, place: number): void {
    const { expectation, values, first } = track;
    const { dayNumbers, total } = this.#frame;
    const places = Array.from({ length: place - first + 1 }, (_, at) => first + at);
    const spend = (only: readonly number[]): number => meanOf(Float64Array.from(only, (past) => values[past] ?? 0));
    const expected = meanOf(
      Float64Array.from(places, (past) => (expectation === null ? 0 : expectedOn(expectation, dayNumbers[past] ?? 0))),
    );
    const ratio = expected > 0 ? spend(places) / expected : null;
    const onWeekday = Array.from({ length: 7 }, (_, weekday) => {
      const same = places.filter((past) => weekdayOf(dayNumbers[past] ?? 0) === weekday);
      return spend(same.length === 0 ? places : same);
    });
    for (let past = 0; past < first; past += 1) {
      const added = ratio === null ? onWeekday[weekdayOf(dayNumbers[past] ?? 0)] : (ratio - 1) * (values[past] ?? 0);
      this.#total[past] = Math.max(0, (this.#total[past] ?? 0) + (added ?? 0));
    }
    for (const past of places) this.#total[past] = total[past] ?? 0;
  }

  /** Lets the days of a short move count as rough ones, but not as rough as they were. */
  #remember(track: Track): void {
    const { expectation, direction } = track;
    if (expectation === null || track.location.cause.length > 0) return;
    const beyond = direction * REMEMBERED * (direction > 0 ? expectation.up : expectation.down);
    for (const { place } of track.evidence) {
      const most = expectedOn(expectation, this.#frame.dayNumbers[place] ?? 0, beyond);
      const value = this.#frame.total[place] ?? 0;
      this.#total[place] = direction > 0 ? Math.min(value, most) : Math.max(value, most);
    }
  }

  #judgeTotal(place: number, usual: number): void {
    const reading = readAt({ values: this.#total, dayNumbers: this.#frame.dayNumbers }, place);
    const deviation = reading === null ? null : this.#strongest(reading, place, 1, []);
    if (reading === null || deviation === null) return;
    const now = this.#placesOf(deviation, place);
    const location = locate(this.#frame, {
      now,
      before: this.#comparable(now),
      direction: deviation.direction,
      scope: [],
    });
    this.#start(location, { reading, deviation, now, place, usual });
  }

  #judgeParts(place: number, usual: number): void {
    for (;;) {
      const found = this.#parts
        .filter(({ part, values }) => this.#mayDeviate(part, values, place, usual))
        .flatMap(({ part, values }) => {
          const reading = readAt({ values, dayNumbers: this.#frame.dayNumbers }, place);
          const deviation =
            reading === null ? null : this.#strongest(reading, place, PART_STRICTNESS, [part.condition]);
          return reading === null || deviation === null ? [] : [{ part, values, reading, deviation }];
        })
        .sort((a, b) => b.deviation.strength - a.deviation.strength);
      const strongest = found[0];
      if (strongest === undefined) return;
      const { part, values, reading, deviation } = strongest;
      const now = this.#placesOf(deviation, place);
      const contrast = { now, before: this.#comparable(now), direction: deviation.direction, scope: [part.condition] };
      const location = locate(this.#frame, contrast);
      const own = this.#parts.findIndex((one) => one.part === part);
      location.overlaps[own] = 1;
      this.#start(location, { reading, deviation, now, place, usual });
      values[place] = Number.NaN;
    }
  }

  /** A quick look at whether a part is far enough from the weeks before to be read. */
  #mayDeviate(part: Part, values: Float64Array, place: number, usual: number): boolean {
    if (Number.isNaN(values[place] ?? Number.NaN)) return false;
    const least = Math.max(LEAST_USD, LEAST_SHARE * usual);
    const day = this.#frame.dayNumbers[place] ?? 0;
    if (part.firstPlace < 0 || part.firstPlace > place - LEAST_DAYS) return false;
    const far = (days: readonly number[]): boolean => {
      let [sum, count] = [0, 0];
      for (const back of days) {
        const now = values[this.#placeOfDay.get(day - back) ?? -1] ?? Number.NaN;
        const then = values[this.#placeOfDay.get(day - back - 7) ?? -1] ?? Number.NaN;
        const earlier = values[this.#placeOfDay.get(day - back - 14) ?? -1] ?? then;
        if (Number.isNaN(now) || Number.isNaN(then)) continue;
        sum += now - (Number.isNaN(earlier) ? then : (then + earlier) / 2);
        count += 1;
      }
      return count === 0 || Math.abs(sum) / count >= least;
    };
    return far([0]) || far([0, 1, 2]);
  }

  /** New values: spend that never was, from its first material day on. */
  #judgeNews(place: number, usual: number): void {
    const least = Math.max(LEAST_USD, LEAST_SHARE * usual);
    for (const { part, values } of this.#parts) {
      const isNew = part.firstPlace >= LEAST_DAYS && part.firstPlace <= place && place - part.firstPlace < NEW_FOR_DAYS;
      if (!isNew || !((values[place] ?? 0) >= least)) continue;
      if (this.#wasNew(part) || this.#hasManyNew(part, place)) continue;
      const now = [place];
      const location = locate(this.#frame, {
        now,
        before: this.#comparable(now),
        direction: 1,
        scope: [part.condition],
      });
      this.#begin({ location, isNew: true, isDrift: false, direction: 1, expectation: null, limits: NO_LIMITS }, now);
    }
  }

  #wasNew({ condition }: Part): boolean {
    const cause = JSON.stringify([condition]);
    return this.#tracks.some(({ isNew, location }) => isNew && JSON.stringify(location.cause) === cause);
  }

  #hasManyNew({ dimension }: Part, place: number): boolean {
    const others = this.#parts.filter(
      ({ part }) =>
        part.dimension === dimension &&
        part.firstPlace >= LEAST_DAYS &&
        part.firstPlace <= place &&
        place - part.firstPlace < NEWS_DAYS,
    );
    return others.length > MANY_NEW;
  }

  #strongest(reading: Reading, place: number, strictness: number, cause: readonly Condition[]): Deviation | null {
    const drifting = this.#open().some(
      ({ isDrift, location }) => isDrift && JSON.stringify(location.cause) === JSON.stringify(cause),
    );
    const able = reading.deviations
      .map((one) => ({ ...one, strength: one.strength / (strictness * this.#weariness(place, one.direction)) }))
      .filter((one) => one.strength >= LEAST_STRENGTH && !(one.test === 'drift' && drifting));
    return able.sort((a, b) => b.strength - a.strength)[0] ?? null;
  }

  /** Where many incidents came lately, it takes more to be one: nobody looks at the tenth. Real ones don't count. */
  #weariness(place: number, direction: 1 | -1): number {
    const since = (this.#frame.dayNumbers[place] ?? 0) - WEARY_DAYS;
    const lately = this.#tracks.filter(
      (track) =>
        track.direction === direction &&
        (this.#frame.dayNumbers[track.first] ?? 0) >= since &&
        track.evidence.some(({ strength }) => strength >= 1) &&
        this.#advice(this.#subject(track)) !== 'real',
    );
    return 1 + WEARY_BY * Math.max(0, lately.length - FRESH_FOR[direction]);
  }

  /** The days that a deviation is about, the last of them at `place`. */
  #placesOf({ test }: Deviation, place: number): number[] {
    const count = { day: 1, shift: 3, drift: 7 }[test];
    const from = Math.max(0, place - count + 1);
    return Array.from({ length: place - from + 1 }, (_, at) => from + at);
  }

  /** The same weekdays in the four weeks before these days; all days of those weeks where a weekday has none. */
  #comparable(now: readonly number[]): number[] {
    const first = now[0] ?? 0;
    const from = Math.max(0, first - COMPARED_DAYS);
    const all = Array.from({ length: first - from }, (_, at) => from + at).filter((place) => this.#isUsual(place));
    const usable = all.length >= 7 ? all : Array.from({ length: first - from }, (_, at) => from + at);
    const weekdays = new Set(now.map((place) => weekdayOf(this.#frame.dayNumbers[place] ?? 0)));
    const same = usable.filter((place) => weekdays.has(weekdayOf(this.#frame.dayNumbers[place] ?? 0)));
    return now.length < 7 && same.length >= 2 ? same : usable;
  }

  #isUsual(place: number): boolean {
    return !this.#tracks.some(({ first, last, end }) => end !== 'new_normal' && place >= first && place <= last);
  }

  #start(
    location: Location,
    found: { reading: Reading; deviation: Deviation; now: readonly number[]; place: number; usual: number },
  ): void {
    const { reading, deviation, now } = found;
    if (this.#isOpen(location.cause, deviation.direction)) return;
    const { dayNumbers } = this.#frame;
    const before = now[0] ?? 0;
    const own =
      location.cause.length === 0
        ? reading
        : (readAt({ values: this.#cleanOf(location.cause), dayNumbers }, before) ??
          readAt({ values: seriesOf(this.#frame, location.cause), dayNumbers }, before));
    const expectation =
      own === null
        ? null
        : {
            ...own.expectation,
            level: location.cause.length === 0 ? reading.before[deviation.test] : own.expectation.level,
          };
    const isDrift = deviation.test === 'drift';
    const limit = Math.abs(deviation.size) / deviation.strength;
    const limits = expectation === null ? NO_LIMITS : limitsOf(expectation, deviation, limit);
    const track = this.#begin(
      { location, isNew: false, isDrift, direction: deviation.direction, expectation, limits },
      now,
    );
    const last = track.evidence.at(-1);
    if (last !== undefined)
      track.evidence[track.evidence.length - 1] = { ...last, strength: Math.max(last.strength, deviation.strength) };
  }

  #isOpen(cause: readonly Condition[], direction: 1 | -1): boolean {
    const spelled = JSON.stringify(cause);
    return this.#open().some(
      (track) => track.direction === direction && JSON.stringify(track.location.cause) === spelled,
    );
  }

  /** The spend of a cause without earlier moves. */
  #cleanOf(cause: readonly Condition[]): Float64Array {
    if (cause.length === 0) return this.#total;
    const [only] = cause;
    const part = this.#parts.find(
      (one) =>
        cause.length === 1 &&
        one.part.condition.dimension === only?.dimension &&
        one.part.condition.value === only.value,
    );
    return part?.values ?? seriesOf(this.#frame, cause);
  }

  #begin(
    about: Pick<Track, 'location' | 'isNew' | 'isDrift' | 'direction' | 'expectation' | 'limits'>,
    now: readonly number[],
  ): Track {
    const values = seriesOf(this.#frame, about.location.cause);
    const first = now[0] ?? 0;
    const place = now.at(-1) ?? first;
    const track: Track = {
      ...about,
      first,
      openedAt: place,
      values,
      evidence: [],
      errors: [],
      last: place,
      quiet: 0,
      end: null,
    };
    for (const past of now) {
      const day = this.#frame.dayNumbers[past] ?? 0;
      const value = values[past] ?? 0;
      const expected = about.expectation === null ? 0 : expectedOn(about.expectation, day);
      const error = about.direction * (about.expectation === null ? value : errorOn(about.expectation, day, value));
      this.#addEvidence(track, past, error, about.direction * (value - expected));
      this.#takeOut(track, past);
    }
    this.#tracks.push(track);
    return track;
  }
}

const NO_LIMITS = { day: 1, shift: 1 };
/** New spend is as clear as can be. */
const NEW_STRENGTH = 2;

/** How far out a day must be for a move to go on. New spend goes on through quiet weekends. */
function leastErrorOf({ errors, expectation }: Track, usual: number): number {
  const size = medianOf(Float64Array.from(errors.slice(-7)));
  return expectation === null ? STILL_USED * size : Math.max(STILL_OUT * size, Math.min(usual, size));
}

function limitsOf(expectation: Expectation, deviation: Deviation, limit: number): Track['limits'] {
  const day = deviation.direction > 0 ? expectation.up : expectation.down;
  return { day, shift: deviation.test === 'shift' ? limit : day * Math.max(...expectation.errors) * 0.8 };
}

/** A value moved up by `shift` on the scale of logarithms. */
function moved(value: number, offset: number, shift: number): number {
  return Math.max(0, Math.exp(Math.log(Math.max(0, value) + offset) + shift) - offset);
}

function kindOf({ isNew, isDrift, direction, errors, location }: Track): IncidentKind {
  if (isNew) return 'new_spend';
  if (location.counterpart.length > 0) return 'offsetting';
  if (isDrift) return 'drift';
  if (errors.length < CONFIRMED_DAYS) return direction > 0 ? 'spike' : 'drop';
  const [begin, now] = [errors.slice(0, 3), errors.slice(-3)].map((part) => meanOf(Float64Array.from(part)));
  return errors.length >= 7 && (now ?? 0) > GREW * (begin ?? 0) ? 'drift' : 'level_shift';
}
