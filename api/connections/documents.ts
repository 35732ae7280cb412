import type { z } from 'zod';
import type { ConnectionView, KeyView } from '../../db/connections/views.ts';
import type { ListedKey } from '../../db/keys/key-list.ts';
import type { SyncView } from '../../db/ledger/history.ts';
import { lengthOf } from '../../domain/days.ts';
import { FAILURES, isKeyFailure, type Failure } from '../../domain/failures.ts';
import { CANDIDATE_LIFETIME_MS } from '../../domain/keys.ts';
import { isUnconfirmed, nextQuestionMs } from '../../domain/connection/key-failure.ts';
import { nextDueMs, nextTryMs, retryAtMs } from '../../domain/connection/schedule.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { stillWaiting } from '../../domain/connection/waiting.ts';
import { connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import type { Settings } from '../http/endpoint.ts';
import type { connection, keyList, addedCandidate, sync } from '../http/schemas.ts';

type ConnectionDocument = z.input<typeof connection>;
type FailureDocument = NonNullable<ConnectionDocument['error']>;
type WaitingDocument = NonNullable<ConnectionDocument['waiting']>;

/** A connection as it is shown. */
export function connectionDocument(view: ConnectionView, settings: Settings): ConnectionDocument {
  const { id, organizationId, organizationName, began, backfillTo, coverage, key, lastSync } = view;
  const candidate = nextCandidate(view, settings.now());
  const workflowId = connectionWorkflowId(id);
  return {
    id,
    name: view.name,
    status: view.status,
    organization: organizationId === null ? null : { id: organizationId, name: organizationName ?? organizationId },
    key:
      key === null
        ? null
        : { id: key.id, hint: key.hint, added_at: iso(key.addedAtMs), last_used_at: isoOrNull(key.lastUsedAtMs) },
    candidate: candidate === null ? null : candidateDocument(candidate, isHeld(view)),
    backfill: {
      from: began,
      to: backfillTo,
      days_done: coverage.backfillDays,
      days_total: lengthOf({ from: began, to: backfillTo }),
    },
    covered_from: coverage.from,
    covered_through: coverage.through,
    missing_days: coverage.missingDays,
    last_sync: lastSync === null ? null : syncDocument(id, lastSync, settings),
    next_sync_at: isoOrNull(nextAskMs(view, settings)),
    error: errorOf(view),
    waiting: waitingDocument(view, settings),
    note: view.status === 'active' && !coverage.hasLines ? 'no usage reported yet' : null,
    temporal: { workflow_id: workflowId, url: temporalUrl(settings, workflowId) },
    created_at: iso(view.createdAtMs),
  };
}

/** A run of a sync as it is shown. */
export function syncDocument(connectionId: string, view: SyncView, settings: Settings): z.input<typeof sync> {
  const workflowId = syncWorkflowId(connectionId, view.n);
  return {
    n: view.n,
    kind: view.kind,
    state: view.state,
    from: view.from,
    to: view.to,
    days_read: view.daysRead,
    days_changed: view.daysChanged,
    requests: view.requests,
    bytes: view.bytes,
    error: view.failure === null ? null : failureDocument(view.failure, view.endedAtMs ?? view.startedAtMs),
    waiting: syncWaiting(view, settings),
    started_at: iso(view.startedAtMs),
    ended_at: isoOrNull(view.endedAtMs),
    duration_ms: view.endedAtMs === null ? null : Math.max(0, Math.round(view.endedAtMs - view.startedAtMs)),
    workflow_id: workflowId,
    run_id: view.runId,
    url: temporalUrl(settings, workflowId, view.runId),
  };
}

/** What a sync under way waits for; null once the instant of its next attempt has come. */
function syncWaiting({ waiting }: SyncView, settings: Settings): WaitingDocument | null {
  const lasting = stillWaiting(waiting, settings.now());
  if (lasting === null) return null;
  const { failure, attempt, nextTryAtMs } = lasting;
  return { error: failureDocument(failure, lasting.atMs), attempt, next_try_at: iso(nextTryAtMs) };
}

/** What a connection waits for: its sync, the next one after a failure, or an answer about a key. */
function waitingDocument(view: ConnectionView, settings: Settings): WaitingDocument | null {
  const { status, failure, lastSync } = view;
  if (!isLive(status)) return null;
  const ofSync = lastSync === null ? null : syncWaiting(lastSync, settings);
  if (ofSync !== null || status === 'paused') return ofSync;
  // While a key is awaited, it is a person that is waited for.
  if (failure !== null && status !== 'awaiting_key' && lastSync?.state !== 'running') {
    const nextMs = nextReadMs(view, settings);
    if (nextMs !== null) {
      const error = failureDocument(doubted(failure), failure.atMs);
      return { error, attempt: failure.count, next_try_at: iso(nextMs) };
    }
  }
  const candidate = nextCandidate(view, settings.now());
  if (candidate?.failure == null || candidate.triedAtMs === null) return null;
  const error = failureDocument(candidate.failure, candidate.triedAtMs);
  return { error, attempt: candidate.tries, next_try_at: iso(nextTryMs(candidate, candidate.triedAtMs)) };
}

/** A failure as it is shown: what happened, and what to do. */
export function failureDocument(failure: Failure, atMs: number): FailureDocument {
  const { message, action } = FAILURES[failure.code];
  return {
    code: failure.code,
    message,
    action,
    ...(failure.detail === undefined ? {} : { detail: failure.detail }),
    ...(failure.requestId === undefined ? {} : { request_id: failure.requestId }),
    ...(failure.connectionId === undefined ? {} : { connection_id: failure.connectionId }),
    at: iso(atMs),
  };
}

/** A key without a verdict, as it is shown: what it met last, and when it is tried again. */
export function candidateDocument(
  key: Pick<KeyView, 'id' | 'hint' | 'state' | 'tries' | 'triedAtMs' | 'failure'>,
  isHeld = false,
): NonNullable<ConnectionDocument['candidate']> {
  const { id, hint, state, failure, triedAtMs } = key;
  const error = failure === null || triedAtMs === null ? null : failureDocument(failure, triedAtMs);
  return {
    id,
    hint,
    state,
    error,
    next_try_at: state === 'candidate' && triedAtMs !== null && !isHeld ? iso(nextTryMs(key, triedAtMs)) : null,
  };
}

/** The signal that puts a staged key to use. */
export function rotationTo(connectionId: string, keyId: string): z.input<typeof addedCandidate>['signal'] {
  return { workflow_id: connectionWorkflowId(connectionId), name: 'rotateKey', input: { keyId } };
}

/** A key as it is listed: what it is for, what became of it, and what puts it to use while it is staged. */
export function keyDocument(connectionId: string, key: ListedKey): z.input<typeof keyList>['data'][number] {
  const { id, hint, state, failure, tries, endReason, addedAt, requestedAt, triedAt, endedAt } = key;
  const triedAtMs = triedAt?.getTime() ?? null;
  const isStaged = state === 'candidate' && requestedAt === null;
  const metAtMs = (endedAt ?? triedAt ?? key.activatedAt ?? addedAt).getTime();
  return {
    id,
    hint,
    state,
    error: failure === null ? null : failureDocument(failure, metAtMs),
    end_reason: endReason,
    next_try_at:
      state === 'candidate' && triedAtMs !== null ? iso(nextTryMs({ tries, triedAtMs, failure }, triedAtMs)) : null,
    expires_at: isStaged ? iso(addedAt.getTime() + CANDIDATE_LIFETIME_MS) : null,
    signal: isStaged ? rotationTo(connectionId, id) : null,
    added_at: addedAt.toISOString(),
    requested_at: requestedAt?.toISOString() ?? null,
    activated_at: key.activatedAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    ended_at: endedAt?.toISOString() ?? null,
  };
}

/** The key without a verdict that is tried next. */
function nextCandidate({ candidates }: ConnectionView, nowMs: number): KeyView | null {
  return candidates.toSorted((a, b) => nextTryMs(a, nowMs) - nextTryMs(b, nowMs))[0] ?? null;
}

function errorOf({ status, failure, key, candidates, refusal }: ConnectionView): FailureDocument | null {
  if (failure !== null) return failureDocument(doubted(failure), failure.atMs);
  // Why a key serves that had been replaced, until it is replaced again.
  if (key?.state === 'active' && key.failure !== null && isLive(status)) {
    return failureDocument(key.failure, key.activatedAtMs ?? key.addedAtMs);
  }
  if (status === 'refused' && refusal !== null) return failureDocument(refusal.failure, refusal.atMs);
  const [candidate] = candidates;
  if (status !== 'validating' || candidate?.failure == null || candidate.triedAtMs === null) return null;
  return failureDocument(candidate.failure, candidate.triedAtMs);
}

/** One rejection is no verdict on a key that worked, and whoever reads of it is told so. */
function doubted({ failure, answeredAtMs, rejectedAtMs }: NonNullable<ConnectionView['failure']>): Failure {
  const { code, detail } = failure;
  const said = detail === undefined ? '' : `${detail}; `;
  if (isUnconfirmed({ code, answeredAtMs, rejectedAtMs })) {
    return { ...failure, detail: `${said}Anthropic is asked about the key once more before this counts` };
  }
  const isRefuted = isKeyFailure(code) && answeredAtMs !== null && rejectedAtMs === null;
  return isRefuted ? { ...failure, detail: `${said}asked about again, Anthropic takes the key` } : failure;
}

/** When something is asked of Anthropic next without anybody asking; null when never, or when it happens now. */
function nextAskMs(view: ConnectionView, settings: Settings): number | null {
  if (!isLive(view.status) || isHeld(view)) return null;
  const ownMs = nextReadMs(view, settings);
  const tries = view.candidates
    .filter(({ triedAtMs }) => triedAtMs !== null)
    .map((key) => nextTryMs(key, settings.now()));
  const all = ownMs === null ? tries : [ownMs, ...tries];
  return all.length === 0 ? null : Math.min(...all);
}

/** A first key waits while its connection is paused. */
function isHeld({ status, key }: ConnectionView): boolean {
  return status === 'paused' && key?.state !== 'active';
}

/** The same of the key that serves. */
function nextReadMs({ id, status, failure }: ConnectionView, settings: Settings): number | null {
  switch (status) {
    case 'paused':
    case 'refused':
    case 'disconnected':
    case 'validating':
      return null;
    case 'awaiting_key':
      return failure === null ? null : nextQuestionMs({ ...failure, code: failure.failure.code });
    case 'degraded':
      if (failure === null) return null;
      if (isUnconfirmed({ ...failure, code: failure.failure.code }))
        return nextQuestionMs({ ...failure, code: failure.failure.code });
      // While a rejected key is to be replaced by one that got no answer yet, it is that one that is tried.
      if (isKeyFailure(failure.failure.code) && failure.answeredAtMs === null) return null;
      return retryAtMs({ ...failure.failure, atMs: failure.atMs, count: failure.count });
    case 'discovering':
    case 'backfilling':
    case 'active':
      return nextDueMs(id, settings.syncHourUtc, settings.now());
  }
}

function temporalUrl(settings: Settings, workflowId: string, runId?: string): string | null {
  if (settings.temporalUiUrl === null) return null;
  const path = [workflowId, ...(runId === undefined ? [] : [runId])].map(encodeURIComponent).join('/');
  return `${settings.temporalUiUrl}/namespaces/${encodeURIComponent(settings.temporalNamespace)}/workflows/${path}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
