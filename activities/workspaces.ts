import { AnthropicError } from '../anthropic/failure.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { listWorkspaces } from '../anthropic/workspaces.ts';
import type { Db } from '../db/core/database.ts';
import { addEvent } from '../db/connections/events.ts';
import { saveWorkspaces } from '../db/connections/workspaces.ts';
import { isOfContent } from '../domain/failures.ts';
import { asReplyFailure } from './failures.ts';
import { isLastTry } from './reading.ts';

/**
 * Reads the list of workspaces and stores it; returns how many it gave. Names are not worth holding up money for: where
 * the list cannot be used at the last try either, an event says so, and workspaces stay as they are known. Failures of
 * the way, the key or Postgres are thrown.
 */
export async function readWorkspaces(db: Db, reader: AnthropicReader, connectionId: string): Promise<number> {
  let listed = 0;
  try {
    for await (const page of listWorkspaces(reader)) {
      await saveWorkspaces(db, connectionId, page);
      listed += page.length;
    }
  } catch (error) {
    const failure = asReplyFailure(error);
    if (!(failure instanceof AnthropicError) || !isOfContent(failure.code) || !isLastTry()) throw failure;
    const message = `The list of workspaces cannot be used: ${failure.detail}. Workspaces keep the names they have here, and costs are read all the same.`;
    await addEvent(db, connectionId, { type: 'workspaces_unread', message });
  }
  return listed;
}
