import { withoutDeceit } from '../domain/characters.ts';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { SearchAttributePair } from '@temporalio/common';
import type { ConnectionView, LoadedConnection } from '../activities/connection.ts';
import type { Facts } from '../domain/connection/facts.ts';
import { isUnconfirmed } from '../domain/connection/key-failure.ts';
import type { Step } from '../domain/connection/steps.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { stillWaiting, type Waiting } from '../domain/connection/waiting.ts';
import type { DayRange } from '../domain/days.ts';
import { FAILURES, isKeyFailure, spellDetail, type Failure } from '../domain/failures.ts';
import { connectionWorkflowId, syncWorkflowId } from './messages.ts';
import { searchAttributes } from './search-attributes.ts';

/** The number of a sync, and its wait before its next attempt. */
type SyncWait = Waiting & { readonly n: number };

/** A sync under way, as the UI shows it. */
export interface ShownSync {
  readonly n: number;
  readonly plan: SyncPlan;
}

/** Shows a connection in the Temporal UI: details in Markdown, and search attributes if the server has them. */
export function showConnection(loaded: LoadedConnection, step: Step, running: ShownSync | null): void {
  const { facts, view } = loaded;
  if (facts === null || view === null) return;
  const wait = waitOfSync(view);
  const parts = [
    `### ${plain(view.name)}: ${facts.status}`,
    `**Next:** ${describeNext(facts, step, running, wait)}.`,
    ...waitLines(wait),
    ...failureLines(facts, failureOf(view)),
    ...stepsToNewKey(facts),
    tableOf(facts, view, running),
  ];
  setCurrentDetails(parts.join('\n\n'));
  if (loaded.searchAttributesExist) upsertChanged(attributesOf(loaded));
}

/** Shows a sync in the Temporal UI: what it does, and for which connection. */
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
  backfill: 'days of the history are missing',
  daily: 'the daily sync was due, or the last sync failed',
  catch_up: 'older days are missing, or were last read before their numbers settled',
  manual: 'somebody asked for it',
};

/** The wait of the sync under way before its next attempt; null if it does not wait. */
export function waitOfSync(view: ConnectionView | null): SyncWait | null {
  const sync = view?.lastSync ?? null;
  const waiting = stillWaiting(sync?.waiting, Date.now());
  return sync === null || waiting === null ? null : { ...waiting, n: sync.n };
}

/**
 * The failure to show: that of the connection, or that of its key. A restored key carries why its successor was
 * rejected; before the first key is accepted, the candidate or the refused key carries why it was not.
 */
export function failureOf({ failure, key, organizationId, refusal }: ConnectionView): Failure | null {
  if (failure !== null) return failure.failure;
  if (organizationId !== null) return key?.state === 'active' ? key.failure : null;
  return key?.failure ?? refusal?.failure ?? null;
}

/** The Temporal UI opens the link in another tab. */
function linkTo(workflowId: string, text: string): string {
  return `[${text}](/namespaces/${workflowInfo().namespace}/workflows/${workflowId})`;
}

function explain(failure: Failure, when = ''): string[] {
  return [`**What happened:** ${sentenceOf(failure)}${when}`, `**What to do:** ${FAILURES[failure.code].action}`];
}

function sentenceOf(failure: Failure): string {
  return `${FAILURES[failure.code].message}${plain(spellDetail(failure))} \`${failure.code}\``;
}

function waitLines(wait: SyncWait | null): string[] {
  if (wait === null) return [];
  const { n, failure, attempt, attempts, nextTryAtMs } = wait;
  const of = attempts === null ? '' : ` of ${attempts}`;
  const next = `Attempt ${attempt}${of} failed; the next one begins at ${spellInstant(nextTryAtMs)}.`;
  return [`**Sync ${n} waits:** ${sentenceOf(failure)}. ${next}`];
}

function failureLines({ failure: last, status }: Facts, failure: Failure | null): string[] {
  if (failure === null) return [];
  if (last === null) return explain(failure);
  const at = `at ${spellInstant(last.atMs)}`;
  // During a pause nothing is tried again, so there is nothing to do about it.
  if (status === 'paused') return [`**Before the pause:** ${sentenceOf(failure)}, ${at}`];
  return explain(failure, `, ${last.count === 1 ? '' : `${last.count} times in a row, last `}${at}`);
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

function tableOf(facts: Facts, view: ConnectionView, running: ShownSync | null): string {
  const { days, missingDays, provisionalDays, flaggedDays, through } = view.coverage;
  const organization =
    view.organizationName === null
      ? 'not known yet'
      : `${plain(view.organizationName)} (\`${view.organizationId ?? ''}\`)`;
  const rows: [string, string][] = [['Organization', organization]];
  if (running !== null) rows.push(['Sync under way', spellSync(facts, running.n, running.plan)]);
  if (view.lastEndedSync !== null) rows.push(['Last sync', spellEndedSync(facts, view.lastEndedSync)]);
  const unbroken = through === null ? '' : `, unbroken through ${through}`;
  rows.push(['Days covered', `${days} of ${days + missingDays}, from ${facts.began}${unbroken}`]);
  const oldest = facts.oldestMissing === null ? '' : `, the oldest ${facts.oldestMissing}`;
  rows.push(['Days missing', `${missingDays}${oldest}`]);
  rows.push(['Days provisional', `${provisionalDays}, which may still change`]);
  if (flaggedDays > 0) rows.push(['Days flagged', `${flaggedDays}, whose lines and total disagree`]);
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function spellEndedSync(facts: Facts, sync: NonNullable<ConnectionView['lastEndedSync']>): string {
  const { n, state, endedAtMs, daysRead, daysChanged } = sync;
  const at = endedAtMs === null ? '' : ` at ${spellInstant(endedAtMs)}`;
  const read = `${daysRead} ${daysRead === 1 ? 'day' : 'days'} read, ${daysChanged} new or changed`;
  return `${spellSync(facts, n, sync)}, ${state}${at}; ${read}`;
}

function spellSync({ connectionId }: Facts, n: number, plan: Pick<SyncPlan, 'kind' | 'from' | 'to'>): string {
  return `${linkTo(syncWorkflowId(connectionId, n), `sync ${n}`)}, ${summaryOfPlan(plan)}`;
}

/** The search attributes of a connection, or of a sync of it if a plan is given. */
export function attributesOf(
  { facts, view, nameAttributeExists }: LoadedConnection,
  plan?: SyncPlan,
): SearchAttributePair[] {
  if (facts === null) return [];
  return [
    { key: searchAttributes.connection, value: facts.connectionId },
    ...(view === null || !nameAttributeExists ? [] : [{ key: searchAttributes.name, value: view.name }]),
    ...(view?.organizationId == null ? [] : [{ key: searchAttributes.organization, value: view.organizationId }]),
    // A sync would not follow the changes of its connection's status, so it does not carry it.
    plan === undefined
      ? { key: searchAttributes.status, value: facts.status }
      : { key: searchAttributes.syncKind, value: plan.kind },
  ];
}

/** Each upsert is an event in the history, so unchanged attributes are not upserted again. */
function upsertChanged(wanted: SearchAttributePair[]): void {
  const shown = workflowInfo().typedSearchAttributes;
  const changed = wanted.filter(({ key, value }) => shown.get(key) !== value);
  if (changed.length > 0) upsertSearchAttributes(changed);
}

/** The line of a sync in the UI's list of workflows. */
export function summaryOfSync(plan: SyncPlan, name: string): string {
  return `${name.slice(0, 80)}: ${summaryOfPlan(plan)}`;
}

function summaryOfPlan(plan: Pick<SyncPlan, 'kind' | 'from' | 'to'>): string {
  return `${plan.kind} of ${spellRange(plan)}`;
}

/**
 * The label of the timer that a connection waits with. It is the first line of the timeline, so it tells the status
 * too.
 */
export function summaryOfWait(loaded: LoadedConnection | null, step: Step, running: ShownSync | null): string {
  const facts = loaded?.facts ?? null;
  if (facts === null) return '';
  const next = describeNext(facts, step, running, waitOfSync(loaded?.view ?? null));
  // A label is no Markdown.
  return `${facts.status}: ${next}`.replaceAll('`', '');
}

function describeNext(facts: Facts, step: Step, running: ShownSync | null, wait: SyncWait | null): string {
  switch (step.do) {
    case 'end':
      return 'nothing, it has ended';
    case 'wait': {
      const syncing = describeRunning(running, wait);
      if (syncing === null) return describeWait(facts, step.untilMs);
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
      return 'asks Anthropic about the rejected key';
    case 'distrustClock':
      return 'corrects what was stored while the clock was ahead';
    case 'discoverWorkspaces':
      return "reads the organization's workspaces";
    case 'setStatus':
      return `becomes ${step.to}`;
    case 'restoreKey':
      return 'returns to the key before';
    case 'clearFailure':
      return 'forgets the failure of a key that was replaced since';
    case 'addEvent':
    case 'recordRotation':
      return 'adds an event';
    case 'disconnect':
      return 'disconnects';
  }
}

/** What the running sync does, even if an earlier run of the connection started it; null without one. */
function describeRunning(running: ShownSync | null, wait: SyncWait | null): string | null {
  if (wait !== null) {
    const { n, failure, attempt, nextTryAtMs } = wait;
    return `sync ${n} met ${failure.code} (attempt ${attempt}) and goes on at ${spellInstant(nextTryAtMs)}`;
  }
  return running === null ? null : `waits for sync ${running.n}, which is under way`;
}

function describeWait({ status, candidates, failure }: Facts, untilMs: number | null): string {
  if (status === 'paused') {
    const resuming = 'until somebody resumes it (signal `resume`)';
    if (untilMs === null) return `nothing ${resuming}`;
    return `asks Anthropic about the new key again at ${spellInstant(untilMs)}, and reads nothing ${resuming}`;
  }
  if (untilMs === null) return status === 'awaiting_key' ? 'waits for another key' : 'waits for a message';
  const at = `at ${spellInstant(untilMs)}`;
  // The new key and the rest have their own times; this is the earlier one.
  if (candidates.some(({ requested }) => requested)) return `asks Anthropic about the new key again, or goes on, ${at}`;
  switch (status) {
    case 'awaiting_key':
      return `asks Anthropic whether it accepts the rejected key again, ${at}`;
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

/** A name that somebody else chose, escaped so that it is no Markdown, on one line that turns and hides nothing. */
export function plain(name: string): string {
  return withoutDeceit(name)
    .replace(/[\\`*_[\]<>#|~!]/g, '\\$&')
    .replace(/\s+/g, ' ');
}

/** A range of days as people read it. */
export function spellRange({ from, to }: DayRange): string {
  return from === to ? from : `${from} to ${to}`;
}

/** An instant (ms) as people read it. */
export function spellInstant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
