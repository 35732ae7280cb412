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
import type { Facts } from '../domain/connection/facts.ts';
import type { Status } from '../domain/connection/statuses.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import type { Day } from '../domain/days.ts';
import type { Failure, FailureCode } from '../domain/failures.ts';
import type { Dependencies } from './dependencies.ts';
import { probeKey, tryKey } from './keys.ts';
import { readWithActiveKey, runIdOfThisActivity, whileHeartbeating } from './reading.ts';
import { readWorkspaces } from './workspaces.ts';

export type { ConnectionView } from '../db/connections/views.ts';

/** The connection that an activity is about, and the workflow's UTC day. */
export interface ConnectionRef {
  readonly connectionId: string;
  readonly today: Day;
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
 * connection as it stands afterwards, which saves the workflow a round. An activity that runs
 * twice may count a failure twice, and changes nothing else a second time.
 */
export interface ConnectionActivities {
  /** Loads the connection. Adds an event for each received signal. */
  loadConnection(input: ConnectionRef & { received?: readonly string[] }): Promise<LoadedConnection>;
  /** Asks Anthropic about a candidate, and makes it the active key or refuses it for good. Fails without an answer. */
  tryKey(input: ConnectionRef & { keyId: string }): Promise<LoadedConnection>;
  /** Records that a candidate got no answer. */
  deferKey(input: ConnectionRef & { keyId: string; failure: Failure; nowMs: number }): Promise<LoadedConnection>;
  /** Asks Anthropic about the rejected key. Fails without an answer. */
  probeKey(input: ConnectionRef & { nowMs: number }): Promise<{ accepted: boolean; connection: LoadedConnection }>;
  /** Reads the organization's workspaces for the first time. */
  discoverWorkspaces(input: ConnectionRef): Promise<LoadedConnection>;
  restoreKey(input: ConnectionRef & { rejectedKeyId: string; code: FailureCode }): Promise<LoadedConnection>;
  /** Does not move a connection to a status that may not follow its present one. */
  setStatus(input: ConnectionRef & { to: Status }): Promise<{ moved: boolean; connection: LoadedConnection }>;
  recordFailure(
    input: ConnectionRef & { failure: Failure; keyId: string | null; nowMs: number },
  ): Promise<LoadedConnection>;
  clearFailure(input: ConnectionRef): Promise<LoadedConnection>;
  /** Corrects what was stored while the clock was ahead of `nowMs`. */
  distrustClock(input: ConnectionRef & { nowMs: number }): Promise<LoadedConnection>;
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
    deferKey: ({ keyId, failure, nowMs, ...ref }) =>
      after(ref, deferKey(db, { connectionId: ref.connectionId, keyId }, failure, nowMs)),
    async probeKey({ nowMs, ...ref }) {
      const accepted = await probeKey(deps, ref.connectionId, nowMs);
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
    recordFailure: ({ failure, keyId, nowMs, ...ref }) =>
      after(ref, recordFailure(db, ref.connectionId, { failure, keyId, nowMs })),
    clearFailure: (ref) => after(ref, clearFailure(db, ref.connectionId)),
    distrustClock: ({ nowMs, ...ref }) => after(ref, distrustClock(db, ref.connectionId, nowMs, ref.today)),
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

async function loadConnection(deps: Dependencies, { connectionId, today }: ConnectionRef): Promise<LoadedConnection> {
  const { db, syncHourUtc, restatementDays } = deps;
  const facts = await loadFacts(db, connectionId, { today, syncHourUtc, restatementDays });
  const view = facts === null ? null : await loadConnectionView(db, connectionId, today);
  const registered = await deps.registeredAttributes();
  return {
    facts,
    view,
    searchAttributesExist: REQUIRED_ATTRIBUTES.every((name) => registered.includes(name)),
    nameAttributeExists: registered.includes('MeterlineName'),
  };
}
