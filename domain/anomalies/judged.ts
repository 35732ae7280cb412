import { daysBetween, type Day } from '../days.ts';
import { addDecimals, subtractDecimals } from '../money.ts';
import type { Severity } from '../notices/content.ts';
import { changeOfMove, daysOfMove } from './figures.ts';
import type { Frame } from './frame.ts';
import type { Condition, Incident, Sensitivity, StoredIncident } from './incident.ts';
import type { Evidence, Move } from './track.ts';
import { tell } from './words.ts';

/** What a sensitivity asks of an incident: how clear it is, and how large on one day, in US dollars and of the usual total. */
const ASKED: Readonly<Record<Sensitivity, Omit<Evidence, 'place'>>> = {
  low: { strength: 1.5, usd: 5, share: 0.15 },
  medium: { strength: 1, usd: 2, share: 0.1 },
  high: { strength: 0.8, usd: 1, share: 0.05 },
};
/** What is stored stays with this much of what it takes to open it, so that a small restatement does not withdraw it. */
const KEPT = 0.85;
/** Each time somebody calls an incident wrong, the next one of its cause must be so many times as clear. */
const WRONG_FACTOR = 1.5;
const MOST_WRONG = 3;
/** A move of an expected size is expected, up to this many times. */
const EXPECTED_AGAIN = 1.25;
/** The same move may begin a few days earlier or later once days are restated or late ones arrive. */
const SAME_MOVE_DAYS = 3;

/** Who asks whether a move is to be told. */
interface Asking {
  readonly sensitivity: Sensitivity;
  /** See {@link strictnessFor}. */
  readonly strictness: number;
  readonly isStored: boolean;
}

/** Whether a move is clear and large enough to be told. */
export function isReported(move: Move, asking: Asking): boolean {
  return decidingPlace(move, asking) !== null;
}

/** The first day on which a move was clear and large enough; null if it never was. */
export function decidingPlace({ evidence }: Move, { sensitivity, strictness, isStored }: Asking): number | null {
  const asked = ASKED[sensitivity];
  const ease = isStored ? KEPT : 1;
  const most = { strength: 0, usd: 0, share: 0 };
  for (const { place, strength, usd, share } of evidence) {
    most.strength = Math.max(most.strength, strength);
    most.usd = Math.max(most.usd, usd);
    most.share = Math.max(most.share, share);
    const isClear = most.strength >= ease * strictness * asked.strength;
    if (isClear && most.usd >= ease * asked.usd && most.share >= ease * asked.share) return place;
  }
  return null;
}

/** How many times as clear a move must be because of earlier feedback on its cause; infinite if it is expected. */
export function strictnessFor(frame: Frame, move: Move, incidents: readonly StoredIncident[]): number {
  const first = dayAt(frame, move.first);
  const earlier = incidents.filter(
    ({ incident }) =>
      incident.direction === directionOf(move) &&
      incident.firstDay < first &&
      spelled(incident.cause) === spelled(move.cause),
  );
  const size = Math.max(...move.evidence.map(({ usd }) => usd));
  const isExpected = earlier.some(
    ({ incident, feedback }) =>
      feedback === 'expected' &&
      incident.firstDay !== first &&
      size <=
        EXPECTED_AGAIN *
          Math.max(...incident.days.map(({ observed, expected }) => Math.abs(Number(observed) - Number(expected)))),
  );
  if (isExpected) return Number.POSITIVE_INFINITY;
  const wrongs = earlier.filter(({ feedback }) => feedback === 'wrong').length;
  return WRONG_FACTOR ** Math.min(MOST_WRONG, wrongs);
}

/** The stored incident that a move is: of its cause and about its first day, or else of its very first day and direction. */
export function matchOf(
  frame: Frame,
  move: Pick<Move, 'cause' | 'direction' | 'first'>,
  incidents: readonly StoredIncident[],
): StoredIncident | null {
  const first = dayAt(frame, move.first);
  const cause = spelled(move.cause);
  const ranked = incidents.flatMap((stored) => {
    const { incident } = stored;
    const apart = Math.abs(daysBetween(incident.firstDay, first));
    if (incident.direction !== directionOf(move) || apart > SAME_MOVE_DAYS) return [];
    const isSameCause = spelled(incident.cause) === cause;
    if (!isSameCause && (apart > 1 || !isRelated(incident.cause, move.cause))) return [];
    return [{ stored, rank: apart + (isSameCause ? 0 : 10) }];
  });
  ranked.sort((a, b) => a.rank - b.rank || (a.stored.incident.key < b.stored.incident.key ? -1 : 1));
  return ranked[0]?.stored ?? null;
}

/** A move as the incident that is told. What is stored keeps its identity and the day that decided it. */
export function incidentOf(
  frame: Frame,
  move: Move,
  {
    sensitivity,
    strictness,
    stored,
  }: { readonly sensitivity: Sensitivity; readonly strictness: number; readonly stored: StoredIncident | null },
): Incident {
  const days = daysOfMove(frame, move);
  const firstDay = dayAt(frame, move.first);
  const direction = directionOf(move);
  const isStored = stored !== null;
  const decided = decidingPlace(move, { sensitivity, strictness, isStored }) ?? move.last;
  const detectedOn = stored?.incident.detectedOn ?? dayAt(frame, decided);
  const observed = addDecimals(days.map((day) => day.observed));
  const expected = addDecimals(days.map((day) => day.expected));
  const incident: Omit<Incident, 'sentence'> = {
    key: stored?.incident.key ?? `${direction} ${spelled(move.cause)} ${firstDay}`,
    kind: move.kind,
    direction,
    severity: severityOf(move),
    state: move.end === null ? 'open' : 'closed',
    end: move.end,
    cause: move.cause,
    within: move.within,
    counterpart: move.counterpart,
    explained: rounded(move.explained),
    firstDay,
    lastDay: dayAt(frame, move.last),
    detectedOn,
    daysToDetection: Math.max(1, daysBetween(firstDay, detectedOn) + 1),
    observed,
    expected,
    excess: subtractDecimals(observed, expected),
    days,
    change: changeOfMove(frame, move),
    strength: rounded(Math.max(...move.evidence.map(({ strength }) => strength))),
  };
  return { ...incident, sentence: tell(incident) };
}

/** A rise by the whole usual total of a day is critical, one by a fifth of it a warning. */
function severityOf({ direction, evidence }: Move): Severity {
  const share = Math.max(...evidence.map((day) => day.share));
  if (share >= 1 && direction > 0) return 'critical';
  return share >= 0.2 ? 'warning' : 'info';
}

function isRelated(a: readonly Condition[], b: readonly Condition[]): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.some((one) => b.some(({ dimension, value }) => one.dimension !== dimension || one.value === value));
}

function dayAt({ days }: Frame, place: number): Day {
  const day = days[place]?.day;
  if (day === undefined) throw new RangeError(`no day is at place ${place}`);
  return day;
}

function directionOf({ direction }: Pick<Move, 'direction'>): Incident['direction'] {
  return direction > 0 ? 'up' : 'down';
}

function spelled(conditions: readonly Condition[]): string {
  return JSON.stringify(conditions.map(({ dimension, value }) => [dimension, value]));
}

function rounded(number: number): number {
  return Math.round(number * 100) / 100;
}
