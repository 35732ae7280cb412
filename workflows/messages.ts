import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Message, SignalName } from '../domain/connection/messages.ts';

/** The type of the workflow that is a connection's life, and of the one that reads a window of days for it. */
export const CONNECTION_WORKFLOW = 'connection';
export const SYNC_WORKFLOW = 'sync';

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

/** The id of a connection's `n`th sync. */
export function syncWorkflowId(connectionId: string, n: number): string {
  return `sync-${connectionId}-${n}`;
}

/**
 * What a connection's workflow starts with: its id, and what it was told. What is in `inbox` has left its event; what it
 * `received` has not yet, nor has what was `answered`, which needs nothing else. Never a key.
 */
export interface ConnectionInput {
  readonly connectionId: string;
  readonly inbox?: readonly Message[];
  readonly received?: readonly Message[];
  readonly answered?: readonly Message[];
}

/**
 * The signals of a connection, by name. What they carry is checked inside the workflow, since people send them from
 * the Temporal UI too: rotateKey {keyId}, syncNow {from?, to?}, pause, resume, disconnect {purge?}.
 */
export const signals = {
  rotateKey: defineSignal<[unknown?]>('rotateKey'),
  syncNow: defineSignal<[unknown?]>('syncNow'),
  pause: defineSignal<[unknown?]>('pause'),
  resume: defineSignal<[unknown?]>('resume'),
  disconnect: defineSignal<[unknown?]>('disconnect'),
} satisfies Record<SignalName, unknown>;

/** Sent by a sync to its connection, whichever run of either it is: look at Postgres again. */
export const syncEnded = defineSignal<[{ n: number }]>('syncEnded');

/** Look at Postgres again: somebody stored what could not be signalled then. */
export const wake = defineSignal('wake');

const BY_ITSELF = 'Sent by Meterline itself: looks at Postgres again. Nothing to send by hand';

/** What each signal takes and does, as the Temporal UI lists it where one is sent. */
export const signalDescriptions: Readonly<Record<SignalName | 'syncEnded' | 'wake', string>> = {
  rotateKey: '{"keyId": "<id of a staged key>"}: tries that key, and makes it the one that serves',
  syncNow: 'No input, or {"from": "YYYY-MM-DD", "to": "YYYY-MM-DD"}: reads now',
  pause: 'No input: starts no sync until it is resumed',
  resume: 'No input: goes on after a pause',
  disconnect:
    'No input: ends it for good, destroys its keys, and KEEPS its data. {"purge": true}: the same, and DELETES its data',
  syncEnded: BY_ITSELF,
  wake: BY_ITSELF,
};

/** Where a connection stands, as its workflow sees it. Postgres is the truth; this says what the workflow does next. */
export interface ConnectionStatus {
  readonly connectionId: string;
  readonly status: string;
  readonly doing: string;
  readonly inbox: number;
}

/** Answers with {@link ConnectionStatus}. */
export const statusQuery = defineQuery<ConnectionStatus>('status');
