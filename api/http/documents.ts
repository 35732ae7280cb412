import type { z } from 'zod';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import type { ReplySettings } from './endpoint.ts';
import type { failure as failureSchema } from './schemas.ts';

type FailureDocument = z.input<typeof failureSchema>;

/** A failure as replies show it: what happened, and what to do. */
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

/** The address of a workflow, or of one of its runs, in Temporal's UI. */
export function workflowUrl(settings: ReplySettings, workflowId: string, runId?: string): string | null {
  return placeInUi(settings, ['workflows', workflowId, ...(runId === undefined ? [] : [runId])]);
}

/** The address of a Schedule in Temporal's UI. */
export function scheduleUrl(settings: ReplySettings, scheduleId: string): string | null {
  return placeInUi(settings, ['schedules', scheduleId]);
}

function placeInUi({ temporalUiUrl, temporalNamespace }: ReplySettings, path: readonly string[]): string | null {
  if (temporalUiUrl === null) return null;
  return [temporalUiUrl, ...['namespaces', temporalNamespace, ...path].map(encodeURIComponent)].join('/');
}

/** An instant in milliseconds since the epoch, as JSON has it. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
