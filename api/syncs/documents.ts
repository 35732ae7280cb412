import type { z } from 'zod';
import type { SyncView } from '../../db/ledger/history.ts';
import { stillWaiting } from '../../domain/connection/waiting.ts';
import { syncWorkflowId } from '../../workflows/messages.ts';
import { failureDocument, iso, isoOrNull, workflowUrl } from '../http/documents.ts';
import type { ReplySettings } from '../http/endpoint.ts';
import type { sync } from './schemas.ts';

type SyncDocument = z.input<typeof sync>;

/** A run of a sync as replies show it. */
export function syncDocument(connectionId: string, view: SyncView, settings: ReplySettings): SyncDocument {
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
    waiting: syncWaitingDocument(view, settings.now()),
    started_at: iso(view.startedAtMs),
    ended_at: isoOrNull(view.endedAtMs),
    duration_ms: view.endedAtMs === null ? null : Math.max(0, Math.round(view.endedAtMs - view.startedAtMs)),
    workflow_id: workflowId,
    run_id: view.runId,
    url: workflowUrl(settings, workflowId, view.runId),
  };
}

/** What a running sync waits for; null once its next attempt is due. */
export function syncWaitingDocument({ waiting }: SyncView, nowMs: number): SyncDocument['waiting'] {
  const lasting = stillWaiting(waiting, nowMs);
  if (lasting === null) return null;
  const { failure, attempt, nextTryAtMs } = lasting;
  return { error: failureDocument(failure, lasting.atMs), attempt, next_try_at: iso(nextTryAtMs) };
}
