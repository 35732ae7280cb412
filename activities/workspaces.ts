import { AnthropicError } from '../anthropic/failure.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { listWorkspaces } from '../anthropic/workspaces.ts';
import type { Db } from '../db/core/database.ts';
import { addEvent } from '../db/connections/events.ts';
import { saveWorkspaces } from '../db/connections/workspaces.ts';
import { asReplyFailure, isUnreadableReply } from './failures.ts';
import { isLastAttempt } from './reading.ts';

/**
 * Reads the list of workspaces, stores it, and returns how many it gave. Money must not wait for names: a list that is
 * unreadable on the last attempt, too, leaves an event, and workspaces keep the names that are stored. Other failures are
 * thrown, and say that they are about the list.
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
    if (!isUnreadableReply(failure) || !isLastAttempt()) {
      // All days may have been read meanwhile, so the failure must not seem to be about them.
      throw failure instanceof AnthropicError ? failure.about('workspaces') : failure;
    }
    const message = `The list of workspaces cannot be read: ${failure.detail}. Workspaces keep the names that are stored here. Costs are read all the same.`;
    await addEvent(db, connectionId, { type: 'workspaces_unread', message });
  }
  return listed;
}
