import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Message, SignalName } from '../domain/connection/messages.ts';

/** The workflow types: a connection's life, and one window of days that is read for it. */
export const CONNECTION_WORKFLOW = 'connection';
export const SYNC_WORKFLOW = 'sync';
/** And one notice on its way to one address. */
export const DELIVERY_WORKFLOW = 'delivery';

/** And the verdicts about budgets. */
export const ASSESS_WORKFLOW = 'assess';

const READINGS = '-readings';
const SENDING = '-sending';

/** The queue of what syncs read from Anthropic, beside the queue of all the rest. */
export function readingsQueue(taskQueue: string): string {
  return `${taskQueue}${READINGS}`;
}

/** The queue of messages that are sent: a mail server that does not answer keeps no place of other work. */
export function sendingQueue(taskQueue: string): string {
  return `${taskQueue}${SENDING}`;
}

/** Whether a queue is one that has activities only. */
export function hasActivitiesOnly(queue: string): boolean {
  return queue.endsWith(READINGS) || queue.endsWith(SENDING);
}

/** The id of a connection's workflow. */
export function connectionWorkflowId(connectionId: string): string {
  return `connection-${connectionId}`;
}

/** How a client starts the workflow of a connection, or signals it and starts it if it does not run. */
export function connectionStart(
  taskQueue: string,
  connectionId: string,
): { workflowId: string; taskQueue: string; args: [ConnectionInput] } {
  return { workflowId: connectionWorkflowId(connectionId), taskQueue, args: [{ connectionId }] };
}

/** The id of a delivery's workflow. */
export function deliveryWorkflowId(deliveryId: string): string {
  return `delivery-${deliveryId}`;
}

/** The input of a delivery's workflow. Postgres has the rest. */
export interface DeliveryInput {
  readonly deliveryId: string;
  /** Whether it goes on after a continue-as-new. */
  readonly isContinued?: boolean;
}

/**
 * How a client starts the workflow of a delivery. One that has run already is not started again, so that a database
 * restored from a dump sends nothing twice; `isAnew` is for a delivery that a person had sent again.
 */
export function deliveryStart(
  taskQueue: string,
  { id, isAnew }: { id: string; isAnew: boolean },
): {
  workflowId: string;
  taskQueue: string;
  args: [DeliveryInput];
  workflowIdReusePolicy: 'ALLOW_DUPLICATE' | 'REJECT_DUPLICATE';
  workflowIdConflictPolicy: 'FAIL';
  priority: { priorityKey: number };
} {
  return {
    workflowId: deliveryWorkflowId(id),
    taskQueue,
    args: [{ deliveryId: id }],
    workflowIdReusePolicy: isAnew ? 'ALLOW_DUPLICATE' : 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    // After connections, and before their syncs.
    priority: { priorityKey: 4 },
  };
}

/** How a client asks for an assessment: there is one at a time in a deployment, and whoever asks for it while it runs has it look again. */
export function assessStart(taskQueue: string): {
  workflowId: string;
  taskQueue: string;
  args: [];
  staticSummary: string;
  priority: { priorityKey: number };
} {
  return {
    workflowId: ASSESS_WORKFLOW,
    taskQueue,
    args: [],
    staticSummary: 'Judges budgets and keeps forecasts',
    // After connections, and before their syncs.
    priority: { priorityKey: 4 },
  };
}

/** Has the assessment look at Postgres once more. */
export const assessNow = defineSignal('assessNow');

/** The id of a connection's `n`th sync. */
export function syncWorkflowId(connectionId: string, n: number): string {
  return `sync-${connectionId}-${n}`;
}

/**
 * The input of a connection's workflow: its id, and the messages of the run before. Those in `inbox` have their events.
 * Those in `received` have none yet, and neither have those in `answered`, which need nothing else. Never a key.
 */
export interface ConnectionInput {
  readonly connectionId: string;
  readonly inbox?: readonly Message[];
  readonly received?: readonly Message[];
  readonly answered?: readonly Message[];
}

/**
 * The signals of a connection: rotateKey {keyId}, syncNow {from?, to?}, pause, resume, disconnect {purge?}. The
 * workflow checks their input, since people send them from the Temporal UI too.
 */
export const signals = {
  rotateKey: defineSignal<[unknown?]>('rotateKey'),
  syncNow: defineSignal<[unknown?]>('syncNow'),
  pause: defineSignal<[unknown?]>('pause'),
  resume: defineSignal<[unknown?]>('resume'),
  disconnect: defineSignal<[unknown?]>('disconnect'),
} satisfies Record<SignalName, unknown>;

/** A sync of any run tells its connection to look at Postgres again. */
export const syncEnded = defineSignal<[{ n: number }]>('syncEnded');

/** Tells a connection to look at Postgres again: somebody changed what its next step depends on. */
export const wake = defineSignal('wake');

const BY_ITSELF = 'Meterline sends this itself, to look at Postgres again. You never need to send it';

/** The input and the effect of each signal, as the Temporal UI shows them to whoever sends one. */
export const signalDescriptions: Readonly<Record<SignalName | 'syncEnded' | 'wake', string>> = {
  rotateKey: '{"keyId": "<id of a candidate>"}: tries that key, and makes it the active one',
  syncNow: 'No input, or {"from": "YYYY-MM-DD", "to": "YYYY-MM-DD"}: reads now',
  pause: 'No input: starts no sync until it is resumed',
  resume: 'No input: goes on after a pause',
  disconnect:
    'No input: ends the connection for good, destroys its keys, and KEEPS its data. {"purge": true}: the same, and DELETES its data',
  syncEnded: BY_ITSELF,
  wake: BY_ITSELF,
};

/**
 * The answer of a connection's workflow to a query: its status, its step, how many signals wait, and the number of the
 * sync that it started and that is under way.
 */
export interface ConnectionStatus {
  readonly connectionId: string;
  readonly status: string;
  readonly doing: string;
  readonly inbox: number;
  readonly sync: number | null;
}

/** Asks a connection's workflow for its {@link ConnectionStatus}. */
export const statusQuery = defineQuery<ConnectionStatus>('status');
