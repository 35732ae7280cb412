import type { z } from 'zod';
import type { ConnectionView, KeyView } from '../../db/connections/views.ts';
import { isRefuted, isUnconfirmed, nextUseMs } from '../../domain/connection/key-failure.ts';
import { nextDueMs, nextTryMs } from '../../domain/connection/schedule.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { lengthOf } from '../../domain/days.ts';
import { isKeyFailure, type Failure } from '../../domain/failures.ts';
import { connectionWorkflowId } from '../../workflows/messages.ts';
import { failureDocument, iso, isoOrNull, workflowUrl } from '../http/documents.ts';
import type { ReplySettings } from '../http/endpoint.ts';
import { candidateDocument } from '../keys/documents.ts';
import { syncDocument, syncWaitingDocument } from '../syncs/documents.ts';
import type { connection } from './schemas.ts';

type ConnectionDocument = z.input<typeof connection>;
type FailureDocument = NonNullable<ConnectionDocument['error']>;
type WaitingDocument = NonNullable<ConnectionDocument['waiting']>;

/** A connection as replies show it. */
export function connectionDocument(view: ConnectionView, settings: ReplySettings): ConnectionDocument {
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
    temporal: { workflow_id: workflowId, url: workflowUrl(settings, workflowId) },
    created_at: iso(view.createdAtMs),
  };
}

/** What a connection waits for: its running sync, the next sync after a failure, or an answer about a key. */
function waitingDocument(view: ConnectionView, settings: ReplySettings): WaitingDocument | null {
  const { status, failure, lastSync } = view;
  if (!isLive(status)) return null;
  const ofSync = lastSync === null ? null : syncWaitingDocument(lastSync, settings.now());
  if (ofSync !== null || status === 'paused') return ofSync;
  // In `awaiting_key` the connection waits for a person, and not for an attempt.
  if (failure !== null && status !== 'awaiting_key' && lastSync?.state !== 'running') {
    const nextMs = nextReadMs(view, settings);
    if (nextMs !== null) {
      const error = failureDocument(qualified(failure), failure.atMs);
      return { error, attempt: failure.count, next_try_at: iso(nextMs) };
    }
  }
  const candidate = nextCandidate(view, settings.now());
  if (candidate?.failure == null || candidate.triedAtMs === null) return null;
  const error = failureDocument(candidate.failure, candidate.triedAtMs);
  return { error, attempt: candidate.tries, next_try_at: iso(nextTryMs(candidate, candidate.triedAtMs)) };
}

/** The candidate that is tried next. */
function nextCandidate({ candidates }: ConnectionView, nowMs: number): KeyView | null {
  return candidates.toSorted((a, b) => nextTryMs(a, nowMs) - nextTryMs(b, nowMs))[0] ?? null;
}

function errorOf({ status, failure, key, candidates, refusal }: ConnectionView): FailureDocument | null {
  if (failure !== null) return failureDocument(qualified(failure), failure.atMs);
  // A superseded key that became active again carries the reason until it is replaced.
  if (key?.state === 'active' && key.failure !== null && isLive(status)) {
    return failureDocument(key.failure, key.activatedAtMs ?? key.addedAtMs);
  }
  if (status === 'refused' && refusal !== null) return failureDocument(refusal.failure, refusal.atMs);
  const [candidate] = candidates;
  if (status !== 'validating' || candidate?.failure == null || candidate.triedAtMs === null) return null;
  return failureDocument(candidate.failure, candidate.triedAtMs);
}

/** A failure that says how far it is confirmed: one rejection is not yet a verdict on a key that worked. */
function qualified({ failure, answeredAtMs, rejectedAtMs }: NonNullable<ConnectionView['failure']>): Failure {
  const { code, detail } = failure;
  const said = detail === undefined ? '' : `${detail}; `;
  if (isUnconfirmed({ code, answeredAtMs, rejectedAtMs })) {
    return { ...failure, detail: `${said}Meterline asks Anthropic about the key once more before this counts` };
  }
  return isKeyFailure(code) && isRefuted({ answeredAtMs, rejectedAtMs })
    ? { ...failure, detail: `${said}when asked again, Anthropic accepted the key` }
    : failure;
}

/** When Meterline asks Anthropic next on its own; null for never, and while it is asking. */
function nextAskMs(view: ConnectionView, settings: ReplySettings): number | null {
  if (!isLive(view.status) || isHeld(view)) return null;
  const ownMs = nextReadMs(view, settings);
  const tries = view.candidates
    .filter(({ triedAtMs }) => triedAtMs !== null)
    .map((key) => nextTryMs(key, settings.now()));
  const all = ownMs === null ? tries : [ownMs, ...tries];
  return all.length === 0 ? null : Math.min(...all);
}

/** Whether candidates wait because the connection was paused before its first key was accepted. */
function isHeld({ status, key }: ConnectionView): boolean {
  return status === 'paused' && key?.state !== 'active';
}

/** When the active key is used next without a request from anybody. */
function nextReadMs({ id, status, failure }: ConnectionView, settings: ReplySettings): number | null {
  switch (status) {
    case 'paused':
    case 'refused':
    case 'disconnected':
    case 'validating':
      return null;
    case 'awaiting_key':
    case 'degraded': {
      if (failure === null) return null;
      const { failure: reason, ...times } = failure;
      return nextUseMs(status, { ...times, code: reason.code, retryAfterMs: reason.retryAfterMs ?? null });
    }
    case 'discovering':
    case 'backfilling':
    case 'active':
      return nextDueMs(id, settings.syncHourUtc, settings.now());
  }
}
