import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { searchAttributes } from '../workflows/search-attributes.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
const RECHECK_MS = 60_000;

/**
 * Registers the search attributes of this product where the server lets it, and answers from then on which are there.
 * One that is not registered must never be upserted: it fails the workflow task over and over.
 */
export async function registerSearchAttributes(
  connection: NativeConnection,
  namespace: string,
  log: Logger,
): Promise<() => Promise<readonly string[]>> {
  const names = Object.values(searchAttributes).map(({ name }) => name);
  const registered = async (): Promise<string[]> => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return names.filter((name) => Object.hasOwn(customAttributes, name));
  };
  let isWarned = false;
  const warn = (there: readonly string[]): void => {
    const missing = names.filter((name) => !there.includes(name));
    if (missing.length > 0 && !isWarned) {
      isWarned = true;
      log.warn({ missing }, 'search attributes are missing on the server; register them as Keyword to have them');
    }
  };
  const register = async (): Promise<void> => {
    try {
      const wanted = Object.fromEntries(names.map((name) => [name, KEYWORD]));
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: wanted });
    } catch (error) {
      // Another worker was faster, or the server does not let us: both are told apart by asking which exist.
      log.debug({ error: messageOf(error) }, 'search attributes were not added');
    }
  };
  const answer = cached(async () => {
    try {
      const before = await registered();
      if (before.length === names.length) return before;
      // Also later: a Temporal that lost its state lost them, too.
      await register();
      const after = await registered();
      warn(after);
      return after;
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'search attributes cannot be listed; none are used');
      return [];
    }
  });
  await answer();
  return answer;
}

function cached<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  let askedAtMs = 0;
  return () => {
    if (answer === null || Date.now() - askedAtMs > RECHECK_MS) {
      answer = ask();
      askedAtMs = Date.now();
    }
    return answer;
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
