import { seasonality, toldOf, weariness } from './caution.ts';
import { weekdayOf } from './flat.ts';
import { seriesOf, type Frame } from './frame.ts';
import type { Condition } from './incident.ts';
import { locate, type Location } from './locate.ts';
import { LEAST_DAYS, errorOn, expectedOn, Reader, type Deviation, type Reading } from './reading.ts';
import { growthAt, isOpen, justEnded, kinshipOf, type Kinship } from './same.ts';
import { hasManyNew, isNewAt, wasNew } from './news.ts';
import { meanOf } from './statistics.ts';
import {
  CONFIRMED_DAYS,
  GREW,
  LEAST_SHARE,
  LEAST_STRENGTH,
  LEAST_USD,
  NEW_STRENGTH,
  NO_LIMITS,
  clearerOf,
  kindOf,
  leastErrorOf,
  limitsOf,
  moveOf,
  placesOf,
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
/** Every move that the days show, oldest first. Each day is judged by the days before it alone. */
export function replay(frame: Frame, advice: Advice): Move[] {
  const run = new Replay(frame, advice);
  for (let place = 0; place < frame.days.length; place += 1) run.judge(place);
  return run.moves();
}

/** What is known of a move when it begins. */
type About = Pick<Track, 'location' | 'isNew' | 'isDrift' | 'direction' | 'expectation' | 'limits'>;

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

  /** Where there is spend that never was, of which people were told. */
  #news(): (readonly Condition[])[] {
    return this.#open()
      .filter(({ isNew }) => isNew)
      .map(({ location }) => location.cause);
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
    const now = placesOf(deviation, place);
    const location = locate(this.#frame, {
      now,
      before: this.#comparable(now),
      direction: deviation.direction,
      scope: [],
      without: this.#news(),
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
      const now = placesOf(deviation, place);
      const contrast = {
        now,
        before: this.#comparable(now),
        direction: deviation.direction,
        scope: [part.condition],
        without: [],
      };
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
      if (!isNewAt(part, place) || !((values[place] ?? 0) >= least)) continue;
      if (wasNew(this.#tracks, part) || hasManyNew(this.#frame.parts, part, place)) continue;
      const now = [place];
      const location = locate(this.#frame, {
        now,
        before: this.#comparable(now),
        direction: 1,
        scope: [part.condition],
        without: [],
      });
      this.#begin({ location, isNew: true, isDrift: false, direction: 1, expectation: null, limits: NO_LIMITS }, now);
    }
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
    const { direction } = deviation;
    if (isOpen(this.#tracks, location.cause, direction)) return;
    const ended = justEnded(this.#tracks, { cause: location.cause, direction, first: now[0] ?? place }, this.#frame);
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
    const limits = own === null ? NO_LIMITS : limitsOf(own, direction);
    const about = { location, isNew: false, isDrift, direction, expectation, limits };
    const kin = this.#kinOf(about, now, place);
    if (kin?.kinship === 'shows_in_part') {
      this.#usual.hide(kin.track, location.overlaps, place);
      return;
    }
    const track = kin === null ? this.#begin(about, now) : this.#relocate(kin.track, about, now);
    this.#raiseEvidence(track, deviation.strength);
  }

  /** The latest known move that has the cause of one which was just found, and what the one is to the other. */
  #kinOf(about: About, now: readonly number[], place: number): { track: Track; kinship: Kinship } | null {
    const { location, direction, isDrift, expectation } = about;
    const value = seriesOf(this.#frame, location.cause, this.#news())[place] ?? 0;
    const error = expectation === null ? 0 : errorOn(expectation, this.#frame.dayNumbers[place] ?? 0, value);
    const found = { location, direction, isDrift, first: now[0] ?? place, growth: growthAt(error) };
    for (const track of this.#tracks.toReversed()) {
      const kinship = kinshipOf(track, found, this.#frame);
      if (kinship !== 'other') return { track, kinship };
    }
    return null;
  }

  /** The same move goes on where it is known to happen by now. What was clear of it stays so. */
  #relocate(known: Track, about: About, now: readonly number[]): Track {
    this.#tracks.splice(this.#tracks.indexOf(known), 1);
    const [first, place] = [Math.min(known.first, now[0] ?? known.first), now.at(-1) ?? known.last];
    this.#usual.restore(first, place);
    const track = this.#begin(
      about,
      Array.from({ length: place - first + 1 }, (_, at) => first + at),
    );
    for (const [at, evidence] of track.evidence.entries()) {
      const before = known.evidence.find((one) => one.place === evidence.place);
      if (before !== undefined) track.evidence[at] = clearerOf(evidence, before);
    }
    return track;
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

  #begin(about: About, now: readonly number[]): Track {
    const values = seriesOf(this.#frame, about.location.cause, about.isNew ? [] : this.#news());
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
