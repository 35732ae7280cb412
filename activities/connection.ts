import { Context, activityInfo } from '@temporalio/activity';
import { AnthropicError } from '../anthropic/failure.ts';
import { readOrganization } from '../anthropic/organization.ts';
import * as connections from '../db/connections/connections.ts';
import { addEvent, recordSignals } from '../db/connections/events.ts';
import { recordRotation, refuseKey } from '../db/keys/ends.ts';
import * as keys from '../db/keys/keys.ts';
import { loadOutlook, type Outlook } from '../db/connections/outlook.ts';
import * as syncs from '../db/ledger/syncs.ts';
import type { Day } from '../domain/days.ts';
import type { Facts, SyncPlan } from '../domain/connection/decide.ts';
import { FAILURES, isKeyFailure, type FailureCode, type Failure } from '../domain/failures.ts';
import type { Status } from '../domain/connection/statuses.ts';
import type { Dependencies } from './dependencies.ts';
import { failureFrom } from './failures.ts';
import { readWithActiveKey, runIdOfThisActivity, whileHeartbeating } from './reading.ts';
import { readWorkspaces } from './workspaces.ts';

interface OfConnection {
  readonly connectionId: string;
}

/** What a connection's workflow knows of it: what it decides by, and what it shows. */
export interface LoadedConnection {
  readonly facts: Facts | null;
  readonly outlook: Outlook | null;
  readonly searchAttributesExist: boolean;
  /** Apart from the others: it is a word that somebody else may have registered for something else. */
  readonly nameAttributeExists: boolean;
}

/** What a connection's workflow may ask of the outside world. Each may run twice; the second time changes nothing. */
export interface ConnectionActivities {
  /**
   * Reads where the connection stands, and keeps an event of each signal that it received since the last time, once.
   * `today` is the workflow's UTC day.
   */
  loadConnection(input: OfConnection & { today: Day; received?: readonly string[] }): Promise<LoadedConnection>;
  /** Asks Anthropic about a candidate, and makes it the active key or refuses it for good. Fails without an answer. */
  tryKey(input: OfConnection & { keyId: string }): Promise<'accepted' | 'refused' | 'gone'>;
  /** Keeps that a candidate got no answer. */
  deferKey(input: OfConnection & { keyId: string; failure: Failure; nowMs: number }): Promise<void>;
  /** Asks Anthropic about the key that was rejected. True if it is taken. Fails without an answer. */
  probeKey(input: OfConnection & { nowMs: number }): Promise<boolean>;
  /** Reads the organization's workspaces for the first time. */
  discoverWorkspaces(input: OfConnection): Promise<number>;
  restoreKey(input: OfConnection & { rejectedKeyId: string; code: FailureCode }): Promise<void>;
  /** Whether the status changed. One that may not follow the present one is not taken. */
  setStatus(input: OfConnection & { to: Status }): Promise<boolean>;
  recordFailure(input: OfConnection & { failure: Failure; keyId: string | null; nowMs: number }): Promise<void>;
  clearFailure(input: OfConnection): Promise<void>;
  /** Puts right what was kept while the clock was ahead of `nowMs`. */
  distrustClock(input: OfConnection & { nowMs: number; today: Day }): Promise<void>;
  /** Keeps what came of a signal; of a rotation that changed nothing, what became of the key that it named. */
  recordSignal(input: OfConnection & ({ text: string } | { keyId: string })): Promise<void>;
  takeSyncNumber(input: OfConnection): Promise<number>;
  /** Keeps that a sync ended without being able to say so itself. */
  recordInterruptedSync(
    input: OfConnection & { n: number; runId: string; plan: SyncPlan; nowMs: number },
  ): Promise<void>;
  disconnect(input: OfConnection & { purge: boolean }): Promise<void>;
}

/** Makes the activities of the `connection` workflow. */
export function createConnectionActivities(deps: Dependencies): ConnectionActivities {
  const { db } = deps;
  return {
    async loadConnection({ connectionId, today, received = [] }) {
      await recordSignals(db, connectionId, received, thisActivity());
      const { syncHourUtc, restatementDays } = deps;
      const facts = await connections.loadFacts(db, connectionId, { today, syncHourUtc, restatementDays });
      const outlook = facts === null ? null : await loadOutlook(db, connectionId, today);
      const registered = await deps.registeredAttributes();
      return {
        facts,
        outlook,
        searchAttributesExist: REQUIRED_ATTRIBUTES.every((name) => registered.includes(name)),
        nameAttributeExists: registered.includes('MeterlineName'),
      };
    },

    tryKey: (input) => tryKey(deps, input),

    async deferKey({ failure, nowMs, ...key }) {
      await keys.deferKey(db, key, failure, nowMs);
    },

    probeKey: (input) => probeKey(deps, input),

    async discoverWorkspaces({ connectionId }) {
      const count = await readWithActiveKey(deps, connectionId, (reader) => readWorkspaces(db, reader, connectionId));
      await connections.recordDiscovery(db, connectionId);
      return count;
    },

    restoreKey: ({ connectionId, rejectedKeyId, code }) => keys.restoreKey(db, connectionId, rejectedKeyId, code),
    setStatus: ({ connectionId, to }) => connections.setStatus(db, connectionId, to),
    recordFailure: ({ connectionId, ...failure }) => connections.recordFailure(db, connectionId, failure),
    clearFailure: ({ connectionId }) => connections.clearFailure(db, connectionId),
    distrustClock: ({ connectionId, nowMs, today }) => connections.distrustClock(db, connectionId, nowMs, today),
    recordSignal: ({ connectionId, ...what }) =>
      'keyId' in what
        ? recordRotation(db, connectionId, what.keyId, thisActivity())
        : addEvent(db, connectionId, { type: 'signal', message: what.text, keptBy: thisActivity() }),
    takeSyncNumber: ({ connectionId }) => syncs.takeSyncNumber(db, connectionId),

    async recordInterruptedSync({ connectionId, n, runId, plan, nowMs }) {
      const failure: Failure = { code: 'sync_interrupted' };
      await syncs.failSync(db, { connectionId, n, runId }, plan, { failure, keyId: null, nowMs });
    },

    disconnect: ({ connectionId, purge }) => whileHeartbeating(() => connections.disconnect(db, connectionId, purge)),
  };
}

/** What this activity is known by, the same for each of its attempts. */
function thisActivity(): string {
  return `${runIdOfThisActivity()} ${activityInfo().activityId}`;
}

/** Where these are not all there, none is shown. */
const REQUIRED_ATTRIBUTES = ['MeterlineConnection', 'MeterlineOrganization', 'MeterlineStatus', 'MeterlineSyncKind'];

async function tryKey(
  { db, ring, transport }: Dependencies,
  key: { connectionId: string; keyId: string },
): Promise<'accepted' | 'refused' | 'gone'> {
  const refuse = async (failure: Failure): Promise<'refused'> => {
    await refuseKey(db, key, failure, FAILURES[failure.code].message);
    return 'refused';
  };
  try {
    const opened = await keys.openCandidate(db, ring, key.connectionId, key.keyId);
    if (opened === null) return 'gone';
    const reader = transport.readerFor(opened.adminKey, Context.current().cancellationSignal);
    const organization = await whileHeartbeating(() => readOrganization(reader));
    const acceptance = await keys.acceptKey(db, key, organization);
    switch (acceptance.outcome) {
      case 'accepted':
      case 'gone':
        return acceptance.outcome;
      case 'organization_mismatch':
        return await refuse({ code: acceptance.outcome });
      case 'already_connected':
        return await refuse({ code: acceptance.outcome, connectionId: acceptance.connectionId });
    }
  } catch (error) {
    // A key that cannot be opened may be openable again once the right encryption key is set: it is no verdict on it.
    if (!(error instanceof AnthropicError) || !isKeyFailure(error.code)) throw error;
    return refuse(failureFrom(error));
  }
}

async function probeKey(deps: Dependencies, input: OfConnection & { nowMs: number }): Promise<boolean> {
  const { db, ring, transport } = deps;
  const { connectionId, nowMs } = input;
  // First, whatever comes of it: a probe that fails in any way must not be due again at once.
  await connections.recordProbe(db, connectionId, nowMs);
  const key = await keys.openActiveKey(db, ring, connectionId);
  if (key === null) return false;
  const probed = { connectionId, keyId: key.keyId, hint: key.adminKey.hint };
  try {
    const reader = transport.readerFor(key.adminKey, Context.current().cancellationSignal);
    await whileHeartbeating(() => readOrganization(reader));
  } catch (error) {
    // An individual account has no reports, so its key cannot have worked: whatever answered that, it is no verdict.
    if (!(error instanceof AnthropicError) || !isKeyFailure(error.code) || error.code === 'individual_account')
      throw error;
    await connections.recordRejection(db, probed, error.code, nowMs);
    return false;
  }
  await connections.recordAcceptance(db, probed, nowMs);
  return true;
}
