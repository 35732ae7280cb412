import { activityInfo } from '@temporalio/activity';
import { distrustClock } from '../db/connections/clock.ts';
import { disconnect } from '../db/connections/disconnect.ts';
import { addEvent, recordSignals } from '../db/connections/events.ts';
import { loadFacts } from '../db/connections/facts.ts';
import { clearFailure, recordFailure } from '../db/connections/failure.ts';
import { setStatus } from '../db/connections/status.ts';
import { loadConnectionView, type ConnectionView } from '../db/connections/views.ts';
import { recordDiscovery } from '../db/connections/workspaces.ts';
import { recordRotation } from '../db/keys/rotation.ts';
import { deferKey } from '../db/keys/candidates.ts';
import { restoreKey } from '../db/keys/activate.ts';
import { failSync, takeSyncNumber } from '../db/ledger/syncs.ts';
import { decide } from '../domain/connection/decide.ts';
import type { Facts } from '../domain/connection/facts.ts';
import type { Status } from '../domain/connection/statuses.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { dayOf } from '../domain/days.ts';
import type { Failure, FailureCode } from '../domain/failures.ts';
import type { Dependencies } from './dependencies.ts';
import { probeKey, tryKey } from './keys.ts';
import { readWithActiveKey, runIdOfThisActivity, whileHeartbeating } from './reading.ts';
import { readWorkspaces } from './workspaces.ts';

export type { ConnectionView } from '../db/connections/views.ts';

/** The connection that an activity is about, and when its workflow asks (ms). */
export interface ConnectionRef {
  readonly connectionId: string;
  readonly nowMs: number;
  /** Whether what is stored alone decides what is next: no sync is under way, and no message waits. */
  readonly isFree: boolean;
}

/** A connection as Postgres has it: what its workflow decides by, and what it shows. */
export interface LoadedConnection {
  readonly facts: Facts | null;
  readonly view: ConnectionView | null;
  readonly searchAttributesExist: boolean;
  /** Whether the attribute of the name exists: its name is so common that another product may own it. */
  readonly nameAttributeExists: boolean;
}

/**
 * What the `connection` workflow asks of the outside world. Each activity that carries out a step returns the
 * connection as it stands afterwards, in the status that follows from it, which saves the workflow two rounds. An
 * activity that runs twice may count a failure twice, and changes nothing else a second time.
 */
export interface ConnectionActivities {
  /** Loads the connection. Adds an event for each received signal. */
  loadConnection(input: ConnectionRef & { received?: readonly string[] }): Promise<LoadedConnection>;
  /** Asks Anthropic about a candidate, and makes it the active key or refuses it for good. Fails without an answer. */
  tryKey(input: ConnectionRef & { keyId: string }): Promise<LoadedConnection>;
  /** Records that a candidate got no answer. */
  deferKey(input: ConnectionRef & { keyId: string; failure: Failure }): Promise<LoadedConnection>;
  /** Asks Anthropic about the rejected key. Fails without an answer. */
  probeKey(input: ConnectionRef): Promise<{ accepted: boolean; connection: LoadedConnection }>;
  /** Reads the organization's workspaces for the first time. */
  discoverWorkspaces(input: ConnectionRef): Promise<LoadedConnection>;
  restoreKey(input: ConnectionRef & { rejectedKeyId: string; code: FailureCode }): Promise<LoadedConnection>;
  /** Does not move a connection to a status that may not follow its present one. */
  setStatus(input: ConnectionRef & { to: Status }): Promise<{ moved: boolean; connection: LoadedConnection }>;
  recordFailure(input: ConnectionRef & { failure: Failure; keyId: string | null }): Promise<LoadedConnection>;
  clearFailure(input: ConnectionRef): Promise<LoadedConnection>;
  /** Corrects what was stored while the clock was ahead. */
  distrustClock(input: ConnectionRef): Promise<LoadedConnection>;
  /** Adds an event about a signal. */
  addEvent(input: ConnectionRef & { text: string }): Promise<LoadedConnection>;
  /** Adds an event that says why a rotation to this key changes nothing. */
  recordRotation(input: ConnectionRef & { keyId: string }): Promise<LoadedConnection>;
  disconnect(input: ConnectionRef & { purge: boolean }): Promise<LoadedConnection>;
  takeSyncNumber(input: { connectionId: string }): Promise<number>;
  /** Records the failure of a sync that was cancelled, terminated or timed out, unless it did so itself. */
  recordInterruptedSync(input: {
    connectionId: string;
    n: number;
    runId: string;
    plan: SyncPlan;
    nowMs: number;
  }): Promise<void>;
}

/** Makes the activities of the `connection` workflow. */
export function createConnectionActivities(deps: Dependencies): ConnectionActivities {
  const { db } = deps;
  const after = async (ref: ConnectionRef, change: Promise<unknown>): Promise<LoadedConnection> => {
    await change;
    return loadConnection(deps, ref);
  };
  return {
    loadConnection: ({ received = [], ...ref }) =>
      after(ref, recordSignals(db, ref.connectionId, received, thisActivity())),
    tryKey: ({ keyId, ...ref }) => after(ref, tryKey(deps, ref.connectionId, keyId)),
    deferKey: ({ keyId, failure, ...ref }) =>
      after(ref, deferKey(db, { connectionId: ref.connectionId, keyId }, failure, ref.nowMs)),
    async probeKey(ref) {
      const accepted = await probeKey(deps, ref.connectionId, ref.nowMs);
      return { accepted, connection: await loadConnection(deps, ref) };
    },
    async discoverWorkspaces(ref) {
      const { connectionId } = ref;
      await readWithActiveKey(deps, connectionId, (reader) => readWorkspaces(db, reader, connectionId));
      return after(ref, recordDiscovery(db, connectionId));
    },
    restoreKey: ({ rejectedKeyId, code, ...ref }) => after(ref, restoreKey(db, ref.connectionId, rejectedKeyId, code)),
    async setStatus({ to, ...ref }) {
      const { moved } = await setStatus(db, ref.connectionId, to);
      return { moved, connection: await loadConnection(deps, ref) };
    },
    recordFailure: ({ failure, keyId, ...ref }) =>
      after(ref, recordFailure(db, ref.connectionId, { failure, keyId, nowMs: ref.nowMs })),
    clearFailure: (ref) => after(ref, clearFailure(db, ref.connectionId)),
    distrustClock: (ref) => after(ref, distrustClock(db, ref.connectionId, ref.nowMs, dayOf(ref.nowMs))),
    addEvent: ({ text, ...ref }) =>
      after(ref, addEvent(db, ref.connectionId, { type: 'signal', message: text, dedupKey: thisActivity() })),
    recordRotation: ({ keyId, ...ref }) => after(ref, recordRotation(db, ref.connectionId, keyId, thisActivity())),
    disconnect: ({ purge, ...ref }) =>
      after(
        ref,
        whileHeartbeating(() => disconnect(db, ref.connectionId, purge)),
      ),
    takeSyncNumber: ({ connectionId }) => takeSyncNumber(db, connectionId),
    async recordInterruptedSync({ connectionId, n, runId, plan, nowMs }) {
      const failure: Failure = { code: 'sync_interrupted' };
      await failSync(db, { connectionId, n, runId }, plan, { failure, keyId: null, nowMs });
    },
  };
}

/** An id of this activity, the same for each of its attempts. */
function thisActivity(): string {
  return `${runIdOfThisActivity()} ${activityInfo().activityId}`;
}

/** The attributes are shown only if all of these exist. */
const REQUIRED_ATTRIBUTES = ['MeterlineConnection', 'MeterlineOrganization', 'MeterlineStatus', 'MeterlineSyncKind'];

/**
 * The connection as it stands, after the status that follows from what is stored is set. Where this process dies in
 * between, the workflow sets it.
 */
async function loadConnection(deps: Dependencies, ref: ConnectionRef): Promise<LoadedConnection> {
  const { db } = deps;
  const { connectionId, nowMs } = ref;
  let facts = await factsFor(deps, ref);
  if (ref.isFree) {
    const { step } = decide(facts, [], { nowMs, syncRunning: false });
    if (step.do === 'setStatus' && (await setStatus(db, connectionId, step.to)).moved)
      facts = await factsFor(deps, ref);
  }
  const view = facts === null ? null : await loadConnectionView(db, connectionId, dayOf(nowMs));
  const registered = await deps.registeredAttributes();
  return {
    facts,
    view,
    searchAttributesExist: REQUIRED_ATTRIBUTES.every((name) => registered.includes(name)),
    nameAttributeExists: registered.includes('MeterlineName'),
  };
}

function factsFor(deps: Dependencies, { connectionId, nowMs }: ConnectionRef): Promise<Facts | null> {
  const { db, syncHourUtc, restatementDays } = deps;
  return loadFacts(db, connectionId, { today: dayOf(nowMs), syncHourUtc, restatementDays });
}
