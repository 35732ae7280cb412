import type { components } from '../client/schema.ts';
import { distance, instant, longDay, range } from '../format/days.ts';

type Connection = components['schemas']['Connection'];
type Failure = components['schemas']['Failure'];
type Status = Connection['status'];

/** What a person can do about a connection: the one thing that helps most. */
export type Help = 'rotate' | 'resume' | 'read' | 'connect';

/** Where a connection stands, as sentences. */
export interface Standing {
  readonly tone: 'plain' | 'good' | 'warn' | 'bad';
  readonly title: string;
  readonly sentences: readonly string[];
  readonly help: Help | null;
}

/** The statuses in the order in which a person wants to filter by them, with a short name for each. */
export const STATUS_NAMES: Readonly<Record<Status, string>> = {
  active: 'Active',
  backfilling: 'Reading its history',
  awaiting_key: 'Waits for a key',
  degraded: 'Trying again',
  paused: 'Paused',
  validating: 'Asking about the key',
  discovering: 'Reading workspaces',
  disconnected: 'Disconnected',
  refused: 'Refused',
};

type Teller = (connection: Connection, now: number) => Standing;

const TELLERS: Readonly<Record<Status, Teller>> = {
  validating: (connection, now) => ({
    tone: connection.error === null ? 'plain' : 'warn',
    title:
      connection.error === null
        ? `Meterline asks Anthropic about the key${ending(connection)}.`
        : `Anthropic has not answered about the key${ending(connection)} yet.`,
    sentences: [
      ...told(connection.error),
      ...nextTry(connection, now),
      'The key is stored, encrypted. Nothing needs to be sent again: Meterline goes on by itself.',
    ],
    help: null,
  }),
  discovering: (connection) => ({
    tone: 'plain',
    title: 'Anthropic accepted the key. Meterline reads the workspaces.',
    sentences: ['The days come next.', ...told(connection.error)],
    help: null,
  }),
  backfilling: (connection, now) => ({
    tone: 'plain',
    title: `Meterline reads the history: ${connection.backfill.days_done} of ${counted(connection.backfill.days_total, 'day')} are here.`,
    sentences: [...stillMissing(connection), ...told(connection.error), ...waits(connection, now)],
    help: null,
  }),
  active: (connection, now) => ({
    tone: 'good',
    title:
      connection.covered_from === null ? 'Active.' : `Every day since ${longDay(connection.covered_from)} is here.`,
    sentences: [
      ...(connection.note === null ? [] : ['Anthropic reports no usage yet. That is not an error.']),
      ...told(connection.error),
      ...waits(connection, now),
    ],
    help: null,
  }),
  degraded: (connection, now) => ({
    tone: 'warn',
    title: 'The last sync failed. Meterline tries again by itself.',
    sentences: [...told(connection.error), ...nextTry(connection, now), 'What is here stays, and no day is lost.'],
    help: 'read',
  }),
  awaiting_key: (connection, now) => ({
    tone: 'bad',
    title:
      connection.error?.code === 'key_unreadable'
        ? 'Meterline cannot open its stored key.'
        : `Anthropic rejects the Admin key${ending(connection)}${connection.error === null ? '' : ` since ${instant(connection.error.at)}`}.`,
    sentences: [
      ...(connection.error === null ? [] : [...detailOf(connection.error), remedyOf(connection.error)]),
      'No day is lost until you send another: Meterline then reads every day that passed.',
      ...(connection.next_sync_at === null
        ? []
        : [`It asks about this key again ${soon(connection.next_sync_at, now)}.`]),
    ],
    help: 'rotate',
  }),
  paused: (connection) => ({
    tone: 'warn',
    title: 'Paused. Meterline reads nothing until somebody resumes it.',
    sentences: ['The days of the pause are read then.', ...told(connection.error)],
    help: 'resume',
  }),
  refused: (connection) => ({
    tone: 'bad',
    title:
      connection.error?.code === 'already_connected'
        ? 'The organization of the key is connected already, so nothing was connected again.'
        : 'Anthropic refused the key, so nothing was connected.',
    sentences: [...told(connection.error), 'The key is destroyed.'],
    help: 'connect',
  }),
  disconnected: (connection) => ({
    tone: 'plain',
    title: 'Disconnected. Its keys are destroyed.',
    sentences: [
      connection.covered_from === null || connection.covered_through === null
        ? 'It has no days.'
        : `Its days stay: ${range(connection.covered_from, connection.covered_through)}.`,
    ],
    help: null,
  }),
};

/** Where a connection stands, what that means, and what helps. */
export function standingOf(connection: Connection, now: number = Date.now()): Standing {
  const standing = TELLERS[connection.status](connection, now);
  const { candidate, status } = connection;
  if (candidate === null || status === 'validating') return standing;
  return { ...standing, sentences: [...standing.sentences, ...aboutCandidate(candidate, now)] };
}

/** Whether something happens to the connection now, so that it is worth looking often. */
export function isMoving({ status, last_sync, candidate, waiting }: Connection): boolean {
  if (status === 'refused' || status === 'disconnected') return false;
  const isOnItsWay = status === 'validating' || status === 'discovering' || status === 'backfilling';
  return isOnItsWay || last_sync?.state === 'running' || candidate !== null || waiting !== null;
}

/** Whether the connection has not ended. */
export function isLive({ status }: Pick<Connection, 'status'>): boolean {
  return status !== 'refused' && status !== 'disconnected';
}

/** Which days are there, in a few words. */
export function coverageOf(connection: Connection): string {
  const { covered_from, covered_through, missing_days, backfill } = connection;
  const isWhole = missing_days === 0 || !isLive(connection);
  if (covered_from === null || covered_through === null) {
    if (!isLive(connection)) return 'No days';
    return backfill.days_done === 0 ? 'No day yet' : `${backfill.days_done} of ${counted(backfill.days_total, 'day')}`;
  }
  const days = range(covered_from, covered_through);
  return isWhole ? days : `${days}; ${counted(missing_days, 'day')} still to be read`;
}

/** When Meterline reads next by itself, or what it waits for. */
export function nextReadOf(connection: Connection, now: number = Date.now()): string {
  const { status, next_sync_at } = connection;
  if (!isLive({ status })) return '–';
  if (status === 'awaiting_key' || status === 'validating') return 'Once Anthropic accepts a key';
  if (status === 'paused') return 'Once somebody resumes it';
  if (connection.last_sync?.state === 'running') return 'It reads now';
  return next_sync_at === null ? '–' : `${soon(next_sync_at, now)}, at ${instant(next_sync_at)}`;
}

/** What to do about a failure, in the words of this page where the API's own ones are for programs. */
export function remedyOf({ code, action }: { readonly code: Failure['code']; readonly action: string }): string {
  return REMEDIES[code] ?? action.replace(/^Nothing(?=:| at first:)/, 'You need do nothing');
}

const REMEDIES: Readonly<Partial<Record<Failure['code'], string>>> = {
  unauthorized: 'Enter again, with a link or a token that is valid.',
  too_many_requests: 'Wait a moment. This page asks again by itself.',
  unavailable: 'This page asks again by itself. If it lasts, tell whoever runs this Meterline.',
};

function told(failure: Failure | null): string[] {
  return failure === null ? [] : [failure.message, ...detailOf(failure), remedyOf(failure)];
}

/** What is known about this case, for whoever looks into it; Anthropic asks for the request id. */
function detailOf({ detail, request_id }: Failure): string[] {
  const parts = [
    ...(detail === undefined ? [] : [detail.replace(/\.$/, '')]),
    ...(request_id === undefined ? [] : [`Anthropic’s request id is ${request_id}`]),
  ];
  return parts.length === 0 ? [] : [`Detail: ${parts.join('; ')}.`];
}

function stillMissing({ missing_days }: Connection): string[] {
  return missing_days === 0
    ? []
    : [`${counted(missing_days, 'day')} ${missing_days === 1 ? 'is' : 'are'} still to be read.`];
}

/** What an attempt met, and when the next one begins. */
function waits({ waiting }: Connection, now: number): string[] {
  if (waiting === null) return [];
  const { attempt, error, next_try_at } = waiting;
  const next = next_try_at === null ? '' : ` The next attempt begins ${soon(next_try_at, now)}.`;
  return [`Attempt ${attempt} failed. ${error.message}${next}`];
}

function nextTry({ waiting, next_sync_at }: Connection, now: number): string[] {
  const at = waiting?.next_try_at ?? next_sync_at;
  return at === null ? [] : [`The next attempt begins ${soon(at, now)}.`];
}

function aboutCandidate({ hint, error, next_try_at }: NonNullable<Connection['candidate']>, now: number): string[] {
  return [
    `Another key, which ends in ${hint}, waits for Anthropic’s verdict.`,
    ...(error === null ? [] : [error.message, ...detailOf(error)]),
    ...(next_try_at === null ? [] : [`Meterline asks about it again ${soon(next_try_at, now)}.`]),
  ];
}

/** When something comes: `now`, `in a few seconds`, `in 2 hours`. */
export function soon(at: string, now: number = Date.now()): string {
  const ms = Date.parse(at) - now;
  return ms <= 0 ? 'now' : ms < FEW_SECONDS_MS ? 'in a few seconds' : distance(at, now);
}

const FEW_SECONDS_MS = 10_000;

function ending({ key }: Connection): string {
  return key === null ? '' : ` that ends in ${key.hint}`;
}

/** A count with its noun: `1 day`, `31 days`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
