import { seasonality, toldOf, weariness } from './caution.ts';
import { weekdayOf } from './flat.ts';
import { seriesOf, type Frame, type Part } from './frame.ts';
import type { Condition } from './incident.ts';
import { locate, type Location } from './locate.ts';
import { LEAST_DAYS, errorOn, expectedOn, Reader, type Deviation, type Reading } from './reading.ts';
import { meanOf } from './statistics.ts';
import {
  CONFIRMED_DAYS,
  GREW,
  LEAST_SHARE,
  LEAST_STRENGTH,
  LEAST_USD,
  NEW_STRENGTH,
  NO_LIMITS,
  kindOf,
  leastErrorOf,
  limitsOf,
  moveOf,
  type Move,
  type Track,
} from './track.ts';
import { COMPARED_DAYS, Usual } from './usual.ts';

/** What somebody said of a move that begins on a day. */
export type Advice = (move: Pick<Move, 'cause' | 'direction' | 'first'>) => 'expected' | 'real' | null;

/** A level that lasts so many days is the new normal. */
const NORMAL_DAYS = 14;
/** A move is over after so many days back in the band. */
const QUIET_DAYS = { short: 1, long: 2, new_spend: 4 };
/** A part of the spend is judged more strictly than the total, since there are many. */
const PART_STRICTNESS = 1.6;
/** New values of a dimension are no news where it has so many of them within {@link NEWS_DAYS} days. */
const MANY_NEW = 4;
const NEWS_DAYS = 60;
const NEW_FOR_DAYS = 14;
/** A move of the same cause that is over for fewer days goes on. */
const SAME_MOVE_DAYS = 3;

/** Every move that the days show, oldest first. Each day is judged by the days before it alone. */
export function replay(frame: Frame, advice: Advice): Move[] {
  const run = new Replay(frame, advice);
  for (let place = 0; place < frame.days.length; place += 1) run.judge(place);
  return run.moves();
}

class Replay {
  readonly #frame: Frame;
  readonly #advice: Advice;
  readonly #tracks: Track[] = [];
  readonly #usual: Usual;
  readonly #reader: Reader;

  constructor(frame: Frame, advice: Advice) {
    this.#frame = frame;
    this.#advice = advice;
    this.#usual = new Usual(frame);
    this.#reader = new Reader(frame.dayNumbers);
  }

  moves(): Move[] {
    return this.#tracks.map(moveOf).sort((a, b) => a.first - b.first);
  }

  judge(place: number): void {
    for (const track of this.#open()) this.#follow(track, place);
    if (place < LEAST_DAYS) return;
    const usual = this.#usual.usualTotal(place);
    if (!(usual > 0)) return;
    this.#judgeNews(place, usual);
    this.#judgeTotal(place, usual);
    this.#judgeParts(place, usual);
  }

  #open(): Track[] {
    return this.#tracks.filter(({ end }) => end === null);
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
      this.#usual.takeOut(track, place);
      if (this.#isNormal(track, place)) this.#usual.settle(track, place);
      return;
    }
    track.quiet += 1;
    this.#usual.hideParts(track, place);
    const kind = kindOf(track);
    const isShort = track.errors.length < CONFIRMED_DAYS;
    const patience = kind === 'new_spend' ? QUIET_DAYS.new_spend : isShort ? QUIET_DAYS.short : QUIET_DAYS.long;
    if (track.quiet < patience) return;
    track.end = 'back';
    if (isShort && this.#advice(this.#subject(track)) !== 'real') this.#usual.remember(track);
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
    track.evidence.push({
      place,
      strength,
      usd,
      share: usd / Math.max(this.#usual.usualTotal(place), Number.MIN_VALUE),
    });
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

  #judgeTotal(place: number, usual: number): void {
    const reading = this.#reader.readDeviating(this.#usual.total, place, LEAST_STRENGTH);
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
      const found = this.#usual.parts
        .filter(({ part, values }) => this.#usual.mayDeviate(part, values, place, usual))
        .flatMap(({ part, values }) => {
          const reading = this.#reader.readDeviating(values, place, PART_STRICTNESS * LEAST_STRENGTH);
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
      const own = this.#usual.parts.findIndex((one) => one.part === part);
      location.overlaps[own] = 1;
      this.#start(location, { reading, deviation, now, place, usual });
      values[place] = Number.NaN;
    }
  }

  /** New values: spend that never was, from its first material day on. */
  #judgeNews(place: number, usual: number): void {
    const least = Math.max(LEAST_USD, LEAST_SHARE * usual);
    for (const { part, values } of this.#usual.parts) {
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
    const others = this.#usual.parts.filter(
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
    const day = this.#frame.dayNumbers[place] ?? 0;
    const told = this.#tracks
      .filter((track) => this.#advice(this.#subject(track)) !== 'real')
      .map((track) => toldOf(track, this.#frame));
    const weary = strictness * weariness(told, day);
    const able = reading.deviations
      .map((one) => ({
        ...one,
        strength: one.strength / (weary * seasonality(told, day, one.direction)),
      }))
      .filter((one) => one.strength >= LEAST_STRENGTH && !(one.test === 'drift' && drifting));
    return able.sort((a, b) => b.strength - a.strength)[0] ?? null;
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
    const { reading, deviation, now, place } = found;
    if (this.#isOpen(location.cause, deviation.direction)) return;
    const ended = this.#justEnded(location.cause, deviation.direction, now[0] ?? place);
    if (ended !== null) {
      this.#resume(ended, place, deviation.strength);
      return;
    }
    const own =
      location.cause.length === 0
        ? reading
        : (this.#reader.read(this.#usual.cleanOf(location.cause), now[0] ?? 0) ??
          this.#reader.read(seriesOf(this.#frame, location.cause), now[0] ?? 0));
    const expectation =
      own === null
        ? null
        : {
            ...own.expectation,
            level: location.cause.length === 0 ? reading.before[deviation.test] : own.expectation.level,
          };
    const isDrift = deviation.test === 'drift';
    const limits = own === null ? NO_LIMITS : limitsOf(own, deviation.direction);
    const track = this.#begin(
      { location, isNew: false, isDrift, direction: deviation.direction, expectation, limits },
      now,
    );
    this.#raiseEvidence(track, deviation.strength);
  }

  /** A move of this cause that ended just before a day, or after it. */
  #justEnded(cause: readonly Condition[], direction: 1 | -1, place: number): Track | null {
    const spelled = JSON.stringify(cause);
    const since = (this.#frame.dayNumbers[place] ?? 0) - SAME_MOVE_DAYS;
    const found = this.#tracks.find(
      (track) =>
        track.end === 'back' &&
        !track.isNew &&
        track.direction === direction &&
        (this.#frame.dayNumbers[track.last] ?? 0) >= since &&
        JSON.stringify(track.location.cause) === spelled,
    );
    return found ?? null;
  }

  /** The move was not over: two incidents of one cause would be told as two causes. */
  #resume(track: Track, place: number, strength: number): void {
    const day = this.#frame.dayNumbers[place] ?? 0;
    const value = track.values[place] ?? 0;
    const expected = track.expectation === null ? 0 : expectedOn(track.expectation, day);
    const error = track.expectation === null ? value : errorOn(track.expectation, day, value);
    track.end = null;
    track.last = place;
    track.quiet = 0;
    this.#addEvidence(track, place, track.direction * error, track.direction * (value - expected));
    this.#raiseEvidence(track, strength);
    this.#usual.takeOut(track, place);
  }

  /** The last day of a move is as clear as what it was found by. */
  #raiseEvidence({ evidence }: Track, strength: number): void {
    const last = evidence.at(-1);
    if (last !== undefined) evidence[evidence.length - 1] = { ...last, strength: Math.max(last.strength, strength) };
  }

  #isOpen(cause: readonly Condition[], direction: 1 | -1): boolean {
    const spelled = JSON.stringify(cause);
    return this.#open().some(
      (track) => track.direction === direction && JSON.stringify(track.location.cause) === spelled,
    );
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
      this.#usual.takeOut(track, past);
    }
    this.#tracks.push(track);
    return track;
  }
}
