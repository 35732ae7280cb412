import { addDays, daysIn, type Day } from '../../../domain/days.ts';
import { REPORTS } from '../../../domain/lines.ts';
import { toDecimal } from '../../../domain/money.ts';
import type { Status } from '../../../domain/connection/statuses.ts';
import type { Life, Round } from './life.ts';
import type { Seen, SeenDay } from './observe.ts';
import { placeOf } from './revisions.ts';

const SEALED_STATES = ['candidate', 'active', 'superseded'];
const RESTATEMENT_DAYS = 3;
const WINDOW_DAYS = 31;

/** What is wrong with a connection at the end of a round, in sentences; none when all is as the model says. */
export function complaintsOf(life: Life, seen: Seen, round: Round): string[] {
  return [...statusComplaints(life, seen, round), ...keyComplaints(life, seen), ...dayComplaints(life, seen, round)];
}

function statusComplaints(life: Life, seen: Seen, round: Round): string[] {
  const allowed = statusesOf(life, round);
  const complaints: string[] = [];
  if (!allowed.includes(seen.status)) {
    complaints.push(`it is ${seen.status} (failure: ${seen.failure ?? 'none'}), not ${allowed.join(' or ')}`);
  }
  if (seen.runningSyncs > 0 && !life.failing) complaints.push(`${seen.runningSyncs} syncs are running`);
  if (life.quiet && seen.status === 'active' && life.isGood(life.heir)) {
    const wishes = life.unanswered(seen).map(({ from, to }) => `${from} to ${to} was asked for by name and never read`);
    complaints.push(...wishes);
  }
  const hasEnded = life.ended !== null || seen.status === 'refused';
  if (!hasEnded && seen.malformed !== life.malformed) {
    complaints.push(`${seen.malformed} signals are noted as malformed, not ${life.malformed}`);
  }
  return complaints;
}

/** The statuses that are right at the end of a round. */
function statusesOf(life: Life, round: Round): Status[] {
  if (life.ended !== null) return [life.ended];
  const unlikely: Status[] = life.serving === null ? ['validating', 'refused'] : [];
  if (!life.quiet) {
    if (life.paused) return ['paused', ...unlikely];
    const mayAwait = life.status === 'awaiting_key' || hasSeenBadKey(life);
    return [
      'active',
      'degraded',
      'backfilling',
      'discovering',
      ...unlikely,
      ...(mayAwait ? (['awaiting_key'] as const) : []),
    ];
  }
  if (life.heir === null) return ['refused'];
  if (life.paused) return ['paused'];
  if (life.isGood(life.heir)) return isKnownGood(life, round) ? ['active'] : ['active', 'awaiting_key'];
  const wasTried = round.dueOn !== null || life.syncAsked || life.status === 'awaiting_key';
  // It goes back to a key that was replaced, as long as none has proven the new one.
  if (life.replaced.length > 0) {
    return wasTried && life.replaced.every((keyId) => life.isGood(keyId)) ? ['active'] : ['active', 'awaiting_key'];
  }
  return wasTried ? ['awaiting_key'] : ['active', 'awaiting_key'];
}

/** Whether a connection whose key is good must have found out by now. It asks once a day while it awaits one. */
function isKnownGood(life: Life, round: Round): boolean {
  return !life.rejected || life.heir !== life.serving || life.syncAsked || round.hours >= 24;
}

function hasSeenBadKey(life: Life): boolean {
  return [...life.anthropic.values()].some((state) => state !== 'active');
}

function keyComplaints(life: Life, seen: Seen): string[] {
  const complaints: string[] = [];
  const hasEnded = life.ended !== null || seen.status === 'refused';
  for (const { id, state, sealed } of seen.keys) {
    if (sealed !== (SEALED_STATES.includes(state) && !hasEnded)) {
      complaints.push(`key ${id} is ${state} ${sealed ? 'with' : 'without'} a ciphertext`);
    }
  }
  if (hasEnded) return complaints;
  const active = seen.keys.filter(({ state }) => state === 'active').map(({ id }) => id);
  const right = rightKeys(life);
  if (active.length !== 1 ? life.serving !== null || life.quiet : !right.includes(active[0] ?? '')) {
    complaints.push(`the active keys are ${active.join(' and ') || 'none'}, not ${right.join(' or ')}`);
  }
  complaints.push(...orderComplaints(life, seen, active[0] ?? ''));
  if (life.quiet) complaints.push(...answerComplaints(life, seen));
  return complaints;
}

/** A key that was good all along, and was taken, is replaced by none that somebody asked for before it. */
function orderComplaints(life: Life, seen: Seen, active: string): string[] {
  const inOrder = [...life.secrets.keys()];
  const later = new Set(inOrder.slice(inOrder.indexOf(active) + 1));
  return seen.keys
    .filter(({ id, state }) => later.has(id) && state !== 'candidate' && life.wasAlwaysGood(id))
    .map(({ id, state }) => `key ${active} serves, and key ${id}, which was asked for later, is ${state}`);
}

/** The keys of which one must serve at the end of a round. */
function rightKeys(life: Life): string[] {
  const known = (keyId: string | null): string[] => (keyId === null ? [] : [keyId]);
  if (!life.quiet) return [...known(life.serving), ...life.replaced, ...life.asked];
  return life.isGood(life.heir) ? known(life.heir) : [...known(life.heir), ...life.replaced];
}

/** Every key that was asked for has its answer. */
function answerComplaints(life: Life, seen: Seen): string[] {
  const complaints: string[] = [];
  const replaced = seen.keys.find(({ id }) => id === life.serving && id !== life.heir);
  if (replaced !== undefined && replaced.state !== 'superseded' && seen.lastSync === life.lastSync) {
    complaints.push(`key ${replaced.id} is ${replaced.state}, while no sync has used the one that replaced it`);
  }
  for (const { id, state, requested, failure } of seen.keys) {
    if (state === 'candidate' && requested && !life.paused) complaints.push(`key ${id} has no answer`);
    if (!life.asked.includes(id) || life.isGood(id) || state === 'destroyed' || life.paused) continue;
    const code = whyNot(life, id);
    if (state !== 'refused' || failure !== code)
      complaints.push(`key ${id} is ${state} (${failure ?? ''}), not ${code}`);
  }
  return complaints;
}

function whyNot(life: Life, keyId: string): string {
  const secret = life.secrets.get(keyId);
  if (secret == null) return 'organization_mismatch';
  return life.anthropic.get(secret) === 'forbidden' ? 'key_forbidden' : 'key_invalid';
}

function dayComplaints(life: Life, seen: Seen, round: Round): string[] {
  if (life.purged) {
    const left = seen.days.length + seen.lines.size;
    return left === 0 ? [] : [`${left} days are left after the purge`];
  }
  const rows = new Map(seen.days.map((row) => [placeOf(row.report, row.day), row]));
  return [
    ...[...life.stored.keys()].filter((place) => !rows.has(place)).map((place) => `${place} is gone`),
    ...[...seen.lines.keys()].filter((place) => !rows.has(place)).map((place) => `${place} has lines and no day`),
    ...[...rows].flatMap(([place, row]) => revisionComplaints(life, seen, place, row)),
    ...(isUpToDate(life, seen, round) ? exactComplaints(life, seen, rows, round.dueOn ?? round.toldOn) : []),
    ...(life.quiet && life.ended === null ? restatementComplaints(life, seen, rows) : []),
  ];
}

/** A stored day is wholly one revision, and never goes back to an older one. */
function revisionComplaints(life: Life, seen: Seen, place: string, row: SeenDay): string[] {
  const number = life.revisions.numberOf(place, seen.lines.get(place) ?? '');
  // Lines that were lost twice are taken and flagged. Where all of them were, that looks as the day did at first.
  if (life.linesLost && !row.reconciled) return [];
  if (number < 0) return [`${place} is no revision that there ever was`];
  const before = life.stored.get(place)?.number ?? -1;
  if (number < before) return [`${place} went back from revision ${before} to ${number}`];
  return [];
}

/** Whether a sync of the recent days must have succeeded since Anthropic's numbers changed last. */
function isUpToDate(life: Life, seen: Seen, round: Round): boolean {
  if (!life.quiet || seen.status !== 'active' || !life.isGood(life.heir)) return false;
  return (
    round.dueOn !== null || (life.syncAsked && life.status === 'active' && life.sequence.backfillDays < WINDOW_DAYS)
  );
}

function exactComplaints(life: Life, seen: Seen, rows: ReadonlyMap<string, SeenDay>, today: Day): string[] {
  const complaints: string[] = [];
  if (seen.keys.some(({ state }) => state === 'superseded')) complaints.push('a replaced key is left after a sync');
  for (const day of daysIn({ from: life.began, to: today })) {
    for (const report of REPORTS) {
      const place = placeOf(report, day);
      const row = rows.get(place);
      if (row === undefined) {
        complaints.push(`${place} is missing`);
        continue;
      }
      if (day <= addDays(today, -WINDOW_DAYS)) continue;
      if (!row.reconciled || row.flagged) complaints.push(`${place} is ${row.flagged ? 'flagged' : 'not reconciled'}`);
      const latest = life.revisions.latest(place);
      const number = life.revisions.numberOf(place, seen.lines.get(place) ?? '');
      // Of days that have settled only the totals are asked for, and these show no change within a day.
      const mayHide = day < addDays(today, -RESTATEMENT_DAYS);
      const isSame = mayHide && toDecimal(row.total) === life.revisions.total(place, latest);
      if (number !== latest && !isSame) complaints.push(`${place} is revision ${number} of ${latest}`);
    }
  }
  return complaints;
}

/** A change to a day that had been read complete is kept, once; nothing else is. */
function restatementComplaints(life: Life, seen: Seen, rows: ReadonlyMap<string, SeenDay>): string[] {
  const complaints: string[] = [];
  for (const [place, row] of rows) {
    const before = life.stored.get(place);
    const kept = seen.restatements.filter(
      ({ id, report, day }) => id > life.restatements && placeOf(report, day) === place,
    );
    if (before !== undefined && before.number < 0) continue;
    const isChanged = before !== undefined && before.text !== (seen.lines.get(place) ?? '') && before.readOn > row.day;
    const spelled = kept.map((change) => `${change.before} to ${change.after}`).join(', ');
    const expected = isChanged ? `${before.total} to ${row.total}` : '';
    if (spelled !== expected) complaints.push(`${place} was restated "${expected}", and "${spelled}" is kept`);
  }
  return complaints;
}
