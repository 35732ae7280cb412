import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { SearchAttributePair } from '@temporalio/common';
import type { LoadedConnection } from '../activities/connection.ts';
import type { Step, SyncPlan } from '../domain/decide.ts';
import { failureKind } from '../domain/failures.ts';
import { searchAttributes } from './search-attributes.ts';

/** Shows in the Temporal UI where a connection stands: details in Markdown, and search attributes where they exist. */
export function showConnection(loaded: LoadedConnection, step: Step, running: SyncPlan | null): void {
  const { facts, outlook } = loaded;
  if (facts === null || outlook === null) return;
  const organization =
    outlook.organizationName === null
      ? 'not known yet'
      : `${plain(outlook.organizationName)} (\`${outlook.organizationId ?? ''}\`)`;
  const lines = [
    `### ${plain(outlook.name)}: ${facts.status}`,
    `- **Organization:** ${organization}`,
    `- **Days kept:** ${outlook.daysDone} of ${outlook.daysTotal}, from ${facts.began} on`,
    ...(outlook.flaggedDays > 0 ? [`- **Days whose lines and total disagree:** ${outlook.flaggedDays}`] : []),
    ...(running === null ? [] : [`- **Sync under way:** ${summaryOfPlan(running)}`]),
    `- **Next:** ${nextOf(step)}`,
  ];
  if (outlook.fault !== null) {
    const { message, action } = failureKind(outlook.fault.code);
    const detail = outlook.fault.detail === undefined ? '' : ` (${outlook.fault.detail})`;
    lines.push('', `**${outlook.fault.code}**: ${message}${detail}`, '', `**What to do:** ${action}`);
  }
  setCurrentDetails(lines.join('\n'));
  if (loaded.searchAttributesExist) upsertChanged(attributesOf(loaded));
}

/** The search attributes of a connection, and of a sync of it when a plan is given. */
export function attributesOf({ facts, outlook }: LoadedConnection, plan?: SyncPlan): SearchAttributePair[] {
  if (facts === null) return [];
  return [
    { key: searchAttributes.connection, value: facts.connectionId },
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

function summaryOfPlan({ kind, from, to }: SyncPlan): string {
  return `${kind} of ${from === to ? from : `${from} to ${to}`}`;
}

function nextOf(step: Step): string {
  switch (step.do) {
    case 'end':
      return 'nothing: it has ended';
    case 'wait':
      return step.untilMs === null ? 'waits for a message' : `waits until ${spellInstant(step.untilMs)} or a message`;
    case 'startSync':
      return summaryOfPlan(step.plan);
    case 'cancelSync':
      return 'stops the sync under way';
    case 'tryKey':
      return 'asks Anthropic about a new key';
    case 'probeKey':
      return 'asks Anthropic whether the rejected key is taken again';
    case 'discover':
      return "reads the organization's workspaces";
    case 'setStatus':
      return `becomes ${step.to}`;
    case 'restoreKey':
      return 'goes back to the key before';
    case 'forgiveFailure':
      return 'goes on with the key that serves now';
    case 'note':
    case 'noteRotation':
      return 'keeps an event';
    case 'disconnect':
      return 'disconnects';
  }
}

/** A name that somebody else chose, so that its characters are no Markdown. */
function plain(name: string): string {
  return name.replace(/[\\`*_[\]<>#|~!]/g, '\\$&').replace(/\s+/g, ' ');
}

/** An instant (ms) as people read it. */
export function spellInstant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
