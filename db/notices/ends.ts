import { and, eq, inArray, sql } from 'drizzle-orm';
import { EVENT_MESSAGE_LENGTH } from '../../domain/events.ts';
import type { Db } from '../core/database.ts';
import { deliveries, WORDS_LENGTH } from './tables.ts';

/** What somebody else said, as it is stored: one line of visible characters, of limited length. */
export function wordsOf(text: string): string {
  const line = text
    .slice(0, EVENT_MESSAGE_LENGTH * 4)
    .replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ')
    .trim();
  return Array.from(line).slice(0, WORDS_LENGTH).join('') || 'without a word';
}

/**
 * Ends the deliveries that wait for a channel, with these words, and returns how many. One that is just being sent ends
 * with what the other side says.
 */
export async function failWaiting(tx: Db, channelId: string, words: string): Promise<number> {
  const failed = await tx
    .update(deliveries)
    .set({ state: 'failed', words: wordsOf(words), endedAt: sql`now()`, nextTryAt: null })
    .where(and(eq(deliveries.channelId, channelId), inArray(deliveries.state, ['pending'])))
    .returning({ id: deliveries.id });
  return failed.length;
}
