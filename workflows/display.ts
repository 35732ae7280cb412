import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { SearchAttributePair } from '@temporalio/common';
import type { LoadedConnection } from '../activities/connection.ts';
import type { DayRange } from '../domain/days.ts';
import { isUnconfirmed, type Facts, type Step, type SyncPlan } from '../domain/connection/decide.ts';
import { FAILURES, isKeyFailure, type Failure } from '../domain/failures.ts';
import { stillWaiting, type Waiting } from '../domain/connection/waiting.ts';
import { connectionWorkflowId, syncWorkflowId } from './messages.ts';
import { searchAttributes } from './search-attributes.ts';

type Outlook = NonNullable<LoadedConnection['outlook']>;

/** What a sync waits for, and the number of the sync. */
type ShownWait = Waiting & { readonly n: number };

/** A sync under way, as it is shown. */
export interface ShownSync {
  readonly n: number;
  readonly plan: SyncPlan;
}

/** Shows in the Temporal UI where a connection stands: details in Markdown, and search attributes where they exist. */
export function showConnection(loaded: LoadedConnection, step: Step, running: ShownSync | null): void {
  const { facts, outlook } = loaded;
  if (facts === null || outlook === null) return;
  const waiting = stillWaiting(outlook.waiting, Date.now());
  const parts = [
    `### ${plain(outlook.name)}: ${facts.status}`,
    `**Next:** ${describeNext(facts, step, running, waiting)}.`,
    ...waitingOf(waiting),
    ...failureLines(facts, outlook.failure),
    ...stepsToNewKey(facts),
    tableOf(facts, outlook, running),
  ];
  setCurrentDetails(parts.join('\n\n'));
  if (loaded.searchAttributesExist) upsertChanged(attributesOf(loaded));
}

/** Shows in the Temporal UI what a sync does, and of which connection it is. */
export function showSync(
  { connectionId, n, plan }: ShownSync & { readonly connectionId: string },
  state: string,
  failure: Failure | null = null,
): void {
  const lines = [
    `- **Connection:** ${linkTo(connectionWorkflowId(connectionId), connectionWorkflowId(connectionId))}`,
    `- **Why:** ${WHY[plan.kind]}`,
  ];
  const parts = [
    `### Sync ${n}, ${summaryOfPlan(plan)}: ${state}`,
    ...(failure === null ? [] : explain(failure)),
    lines.join('\n'),
  ];
  setCurrentDetails(parts.join('\n\n'));
}

const WHY: Readonly<Record<SyncPlan['kind'], string>> = {
  backfill: 'days of its history are missing',
  daily: 'it was due, or the sync before failed',
  catch_up: 'older days are missing, or were last read before they had settled',
  manual: 'somebody asked for it',
};

/** The Temporal UI opens it in another tab. */
function linkTo(workflowId: string, text: string): string {
  return `[${text}](/namespaces/${workflowInfo().namespace}/workflows/${workflowId})`;
}

function explain(failure: Failure, when = ''): string[] {
  const { message, action } = FAILURES[failure.code];
  return [
    `**What happened:** ${message}${plain(spellDetail(failure))} \`${failure.code}\`${when}`,
    `**What to do:** ${action}`,
  ];
}

/** What a sync under way waits for: why, how often it was tried, and when it is tried again. */
function waitingOf(waiting: ShownWait | null): string[] {
  if (waiting === null) return [];
  const { n, failure, attempt, attempts, nextTryAtMs } = waiting;
  const of = attempts === null ? '' : ` of ${attempts}`;
  return [
    `**Sync ${n} waits:** ${FAILURES[failure.code].message}${plain(spellDetail(failure))} \`${failure.code}\`. Attempt ${attempt}${of} met this; the next one begins at ${spellInstant(nextTryAtMs)}.`,
  ];
}

function failureLines({ failure: standing, status }: Facts, failure: Failure | null): string[] {
  if (failure === null) return [];
  // While the connection is paused, nothing is tried again.
  if (status === 'paused' && standing !== null) {
    const at = spellInstant(standing.atMs);
    return [
      `**Before the pause:** ${FAILURES[failure.code].message}${plain(spellDetail(failure))} \`${failure.code}\`, at ${at}`,
    ];
  }
  if (standing === null) return explain(failure);
  const { count, atMs } = standing;
  return explain(failure, `, ${count === 1 ? '' : `${count} times in a row, last `}at ${spellInstant(atMs)}`);
}

/** What went wrong in particular, in parentheses and with a space before. */
export function spellDetail({ detail, requestId }: Failure): string {
  const parts = [detail, requestId === undefined ? undefined : `request ${requestId}`].filter((part) => part);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** What a person on call types, with nothing left to look up. No key passes through Temporal. */
function stepsToNewKey({ connectionId, failure, status }: Facts): string[] {
  if (status !== 'awaiting_key' || failure === null || !isKeyFailure(failure.code)) return [];
  return [
    [
      '**To give it another key**, either',
      '',
      `- \`POST /v1/connections/${connectionId}/rotate-key\` with \`{"admin_api_key": "…"}\`, or`,
      `- \`POST /v1/connections/${connectionId}/keys\` with the same, and then here _Send a Signal_: \`rotateKey\` with \`{"keyId": "<key_id of the reply>"}\`.`,
      '',
      'If the old key was enabled again, _Send a Signal_: `syncNow` tries it at once.',
    ].join('\n'),
  ];
}

function tableOf(facts: Facts, outlook: Outlook, running: ShownSync | null): string {
  const { daysDone, daysTotal, flaggedDays, provisionalDays, through, lastSync } = outlook;
  const organization =
    outlook.organizationName === null
      ? 'not known yet'
      : `${plain(outlook.organizationName)} (\`${outlook.organizationId ?? ''}\`)`;
  const rows: [string, string][] = [['Organization', organization]];
  if (running !== null) rows.push(['Sync under way', spellSync(facts, running.n, running.plan)]);
  if (lastSync !== null) rows.push(['Last sync', spellEndedSync(facts, lastSync)]);
  const unbroken = through === null ? '' : `, unbroken through ${through}`;
  rows.push(['Days kept', `${daysDone} of ${daysTotal}, from ${facts.began}${unbroken}`]);
  const oldest = facts.oldestMissing === null ? '' : `, the oldest ${facts.oldestMissing}`;
  rows.push(['Days missing', `${daysTotal - daysDone}${oldest}`]);
  rows.push(['Days provisional', `${provisionalDays}, which may still change`]);
  if (flaggedDays > 0) rows.push(['Days flagged', `${flaggedDays}, whose lines and total disagree`]);
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function spellEndedSync(facts: Facts, sync: NonNullable<Outlook['lastSync']>): string {
  const { n, state, endedAtMs, daysRead, daysChanged } = sync;
  const done = `${daysRead} ${daysRead === 1 ? 'day' : 'days'} read, ${daysChanged} new or changed`;
  return `${spellSync(facts, n, sync)}, ${state} at ${spellInstant(endedAtMs)}; ${done}`;
}

function spellSync({ connectionId }: Facts, n: number, plan: Pick<SyncPlan, 'kind' | 'from' | 'to'>): string {
  return `${linkTo(syncWorkflowId(connectionId, n), `sync ${n}`)}, ${summaryOfPlan(plan)}`;
}

/** The search attributes of a connection, and of a sync of it when a plan is given. */
export function attributesOf(
  { facts, outlook, nameAttributeExists }: LoadedConnection,
  plan?: SyncPlan,
): SearchAttributePair[] {
  if (facts === null) return [];
  return [
    { key: searchAttributes.connection, value: facts.connectionId },
    ...(outlook === null || !nameAttributeExists ? [] : [{ key: searchAttributes.name, value: outlook.name }]),
    ...(outlook?.organizationId == null ? [] : [{ key: searchAttributes.organization, value: outlook.organizationId }]),
    // A sync does not follow its connection's status, so it does not carry it.
    plan === undefined
      ? { key: searchAttributes.status, value: facts.status }
      : { key: searchAttributes.syncKind, value: plan.kind },
  ];
}

/** Each upsert is an event in the history, so what is shown already is not upserted again. */
function upsertChanged(wanted: SearchAttributePair[]): void {
  const shown = workflowInfo().typedSearchAttributes;
  const changed = wanted.filter(({ key, value }) => shown.get(key) !== value);
  if (changed.length > 0) upsertSearchAttributes(changed);
}

/** The one line that a sync is listed under. */
export function summaryOfSync(plan: SyncPlan, name: string): string {
  return `${name.slice(0, 80)}: ${summaryOfPlan(plan)}`;
}

function summaryOfPlan(plan: Pick<SyncPlan, 'kind' | 'from' | 'to'>): string {
  return `${plan.kind} of ${spellRange(plan)}`;
}

/** What comes next, and when; also the label of the timer that is waited on. */
export function describeNext(
  facts: Facts,
  step: Step,
  running: ShownSync | null,
  waiting: ShownWait | null = null,
): string {
  switch (step.do) {
    case 'end':
      return 'nothing, it has ended';
    case 'wait': {
      const syncing = syncUnderWay(running, waiting);
      if (syncing === null) return waitOf(facts, step.untilMs);
      return facts.status === 'paused'
        ? `${syncing}; then nothing until somebody resumes it (signal \`resume\`)`
        : syncing;
    }
    case 'startSync':
      return `starts a sync, ${summaryOfPlan(step.plan)}`;
    case 'cancelSync':
      return 'stops the sync under way';
    case 'tryKey':
      return 'asks Anthropic about a new key';
    case 'probeKey':
      return 'asks Anthropic about the key that was rejected';
    case 'distrustClock':
      return 'puts right what was kept while the clock was ahead';
    case 'discoverWorkspaces':
      return "reads the organization's workspaces";
    case 'setStatus':
      return `becomes ${step.to}`;
    case 'restoreKey':
      return 'goes back to the key before';
    case 'clearFailure':
      return 'goes on with the key that serves now';
    case 'note':
    case 'noteRotation':
      return 'keeps an event';
    case 'disconnect':
      return 'disconnects';
  }
}

/** What a sync does that runs, whichever run of its connection started it. */
function syncUnderWay(running: ShownSync | null, waiting: ShownWait | null): string | null {
  if (waiting !== null) {
    const { n, failure, attempt, nextTryAtMs } = waiting;
    return `sync ${n} met ${failure.code} (attempt ${attempt}) and goes on at ${spellInstant(nextTryAtMs)}`;
  }
  return running === null ? null : `waits for sync ${running.n}, which is under way`;
}

function waitOf({ status, candidates, failure }: Facts, untilMs: number | null): string {
  if (status === 'paused') {
    const resuming = 'until somebody resumes it (signal `resume`)';
    if (untilMs === null) return `nothing ${resuming}`;
    return `asks Anthropic about the new key again at ${spellInstant(untilMs)}, and reads nothing ${resuming}`;
  }
  if (untilMs === null) return status === 'awaiting_key' ? 'waits for another key' : 'waits for a message';
  const at = `at ${spellInstant(untilMs)}`;
  // A new key that got no answer yet is tried at its own times.
  if (candidates.some(({ requested }) => requested)) return `asks Anthropic about the new key again, or goes on, ${at}`;
  switch (status) {
    case 'awaiting_key':
      return `asks Anthropic whether the rejected key is taken again ${at}`;
    case 'degraded':
      return failure !== null && isUnconfirmed(failure)
        ? `asks Anthropic about the key again before its rejection counts, ${at}`
        : `tries again ${at}`;
    case 'validating':
    case 'discovering':
    case 'backfilling':
    case 'active':
    case 'refused':
    case 'disconnected':
      return `the next daily sync ${at}`;
  }
}

/** A name that somebody else chose, so that its characters are no Markdown. */
function plain(name: string): string {
  return name.replace(/[\\`*_[\]<>#|~!]/g, '\\$&').replace(/\s+/g, ' ');
}

/** A range of days as people read it. */
export function spellRange({ from, to }: DayRange): string {
  return from === to ? from : `${from} to ${to}`;
}

/** An instant (ms) as people read it. */
export function spellInstant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
