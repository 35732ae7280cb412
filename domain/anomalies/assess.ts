import { daysBetween } from '../days.ts';
import { frameOf, type Frame } from './frame.ts';
import { HISTORY_DAYS, type AnomalyInput, type Incident, type StoredIncident, type Verdict } from './incident.ts';
import { incidentOf, isReported, matchOf, strictnessFor } from './judged.ts';
import { LEAST_DAYS } from './reading.ts';
import { replay, type Advice } from './replay.ts';
import { tell, tellEffect } from './words.ts';

/** Before so many days of a long history, what was found may have hung on days that are not given anymore. */
const SETTLING_DAYS = 150;

/**
 * The verdicts that follow from settled days and from what is stored. A pure function of its input: once they are stored, the
 * same input gives none. At most one incident per cause is open. Fewer than 15 settled days give none.
 */
export function assessAnomalies({ days, incidents, sensitivity, today }: AnomalyInput): Verdict[] {
  const settled = days.filter(({ day }) => day < today);
  if (settled.length <= LEAST_DAYS) return [];
  const frame = frameOf(settled);
  const moves = replay(frame, adviceOf(frame, incidents)).filter((move) => isKnown(frame, move.first));
  const matched = new Set<StoredIncident>();
  const keys = new Set(incidents.map(({ incident }) => incident.key));
  const verdicts = moves.flatMap((move) => {
    const stored = matchOf(
      frame,
      move,
      incidents.filter((one) => !matched.has(one)),
    );
    if (stored !== null) matched.add(stored);
    const strictness = strictnessFor(frame, move, incidents);
    if (!isReported(move, { sensitivity, strictness, isStored: isAlive(stored) })) return unreported(stored);
    const found = incidentOf(frame, move, { sensitivity, strictness, stored });
    if (stored === null && keys.has(found.key)) return [];
    keys.add(found.key);
    return stored === null ? [{ verdict: 'open' as const, incident: found }] : known(stored, found);
  });
  const undone = incidents.filter((one) => !matched.has(one) && isUndone(frame, one));
  return [...verdicts, ...undone.map(({ incident }) => withdrawn(incident))];
}

/** What the feedback on an incident changes from now on, in a sentence; null without feedback. */
export function effectOf({ incident, feedback }: StoredIncident): string | null {
  return feedback === null ? null : tellEffect(feedback, incident, '1.5');
}

function isAlive(stored: StoredIncident | null): boolean {
  return stored !== null && stored.incident.state !== 'withdrawn' && stored.incident.end !== 'sensitivity';
}

function adviceOf(frame: Frame, incidents: readonly StoredIncident[]): Advice {
  const told = incidents.filter(({ feedback }) => feedback === 'expected' || feedback === 'real');
  return (move) => {
    const feedback = told.length === 0 ? null : (matchOf(frame, move, told)?.feedback ?? null);
    return feedback === 'wrong' ? null : feedback;
  };
}

/** A move that nobody is told of. If it is stored as open, it is so no longer. */
function unreported(stored: StoredIncident | null): Verdict[] {
  if (stored?.incident.state !== 'open') return [];
  const { feedback } = stored;
  const end = feedback === 'expected' || feedback === 'wrong' ? feedback : 'sensitivity';
  return [{ verdict: 'close', incident: ended(stored.incident, end) }];
}

/** A stored incident, and how it is found now. */
function known({ incident, feedback }: StoredIncident, found: Incident): Verdict[] {
  if (feedback === 'expected' || feedback === 'wrong') {
    return incident.state === 'open' ? [{ verdict: 'close', incident: ended(found, feedback) }] : [];
  }
  if (canonical(incident) === canonical(found)) return [];
  if (incident.state === found.state) return [{ verdict: 'extend', incident: found }];
  return [{ verdict: found.state === 'open' || incident.state === 'withdrawn' ? 'open' : 'close', incident: found }];
}

function withdrawn(incident: Incident): Verdict {
  return { verdict: 'withdraw', incident: { ...ended(incident, 'restated'), state: 'withdrawn' } };
}

function ended(incident: Incident, end: NonNullable<Incident['end']>): Incident {
  const closed = { ...incident, state: 'closed' as const, end };
  return { ...closed, sentence: tell(closed) };
}

/** Whether days that are given no longer show a stored incident. What somebody explained or dismissed is over, and stays as it is. */
function isUndone(frame: Frame, { incident, feedback }: StoredIncident): boolean {
  if (incident.state === 'withdrawn' || incident.end === 'sensitivity') return false;
  if (incident.state === 'closed' && (feedback === 'expected' || feedback === 'wrong')) return false;
  const place = frame.days.findIndex(({ day }) => day >= incident.firstDay);
  return place >= 0 && frame.days.some(({ day }) => day === incident.firstDay) && isKnown(frame, place);
}

/** Whether what the day at a place shows does not hang on days that are not given anymore. */
function isKnown({ days }: Frame, place: number): boolean {
  const [first, last, day] = [days[0]?.day, days.at(-1)?.day, days[place]?.day];
  if (first === undefined || last === undefined || day === undefined) return false;
  return daysBetween(first, last) + 1 < HISTORY_DAYS || daysBetween(first, day) >= SETTLING_DAYS;
}

/** A text that is the same for the same content, whatever the order of fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
