import { type IncidentEnd, type IncidentKind } from './incident.ts';
import type { Location } from './locate.ts';
import type { Deviation, Expectation, Reading } from './reading.ts';
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

/** What two looks at a day show together. */
export function clearerOf(a: Evidence, b: Evidence): Evidence {
  return {
    place: a.place,
    strength: Math.max(a.strength, b.strength),
    usd: Math.max(a.usd, b.usd),
    share: Math.max(a.share, b.share),
  };
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

/** Moves that are weaker than this are not followed. Every sensitivity asks for more. */
export const LEAST_STRENGTH = 0.72;
/** Nor are those below these amounts on a day. */
export const LEAST_USD = 0.85;
/** Nor below this share of the usual total. */
export const LEAST_SHARE = 0.04;

/** A move that lasts so many days is no spike or drop. */
export const CONFIRMED_DAYS = 3;
/** A move goes on while it has this share of its size. */
const STILL_OUT = 0.4;
const STILL_USED = 0.1;
/** A shift that grew so much is a drift. */
export const GREW = 1.6;

/** Limits where nothing was expected, and how clear such new spend is: as clear as can be. */
export const NO_LIMITS = { day: 1, shift: 1 };
export const NEW_STRENGTH = 2;

/** A move that goes on. */
export interface Track {
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

/** How far out a day must be for a move to go on. New spend goes on through quiet weekends. */
export function leastErrorOf({ errors, expectation }: Track, usual: number): number {
  const size = medianOf(Float64Array.from(errors.slice(-7)));
  return expectation === null ? STILL_USED * size : Math.max(STILL_OUT * size, Math.min(usual, size));
}

/** What a day and a shift of a move must be out to be just enough. */
export function limitsOf({ expectation, lasting }: Reading, direction: Move['direction']): Track['limits'] {
  return direction > 0 ? { day: expectation.up, shift: lasting.up } : { day: expectation.down, shift: lasting.down };
}

/** A value moved up by `shift` on the scale of logarithms. */
export function moved(value: number, offset: number, shift: number): number {
  return Math.max(0, Math.exp(Math.log(Math.max(0, value) + offset) + shift) - offset);
}

/** The kind that a move has by now. */
export function kindOf({ isNew, isDrift, direction, errors, location }: Track): IncidentKind {
  if (isNew) return 'new_spend';
  if (location.counterpart.length > 0) return 'offsetting';
  if (isDrift) return 'drift';
  if (errors.length < CONFIRMED_DAYS) return direction > 0 ? 'spike' : 'drop';
  const [begin, now] = [errors.slice(0, 3), errors.slice(-3)].map((part) => meanOf(Float64Array.from(part)));
  return errors.length >= 7 && (now ?? 0) > GREW * (begin ?? 0) ? 'drift' : 'level_shift';
}

/** What is known of a move by now. */
export function moveOf(track: Track): Move {
  const { cause, within, counterpart, explained } = track.location;
  const { direction, first, last, evidence, expectation, end } = track;
  return {
    cause,
    within,
    counterpart,
    explained,
    kind: kindOf(track),
    direction,
    first,
    last,
    evidence,
    expectation,
    end,
  };
}

/** The days that a deviation is about, the last of them at `place`. */
export function placesOf({ test }: Deviation, place: number): number[] {
  const count = { day: 1, shift: 3, drift: 7 }[test];
  const from = Math.max(0, place - count + 1);
  return Array.from({ length: place - from + 1 }, (_, at) => from + at);
}
