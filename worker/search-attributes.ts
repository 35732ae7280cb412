import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { searchAttributes } from '../workflows/search-attributes.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
const RECHECK_MS = 60_000;

/**
 * Registers the search attributes of this product where the server lets it, and answers from then on whether they are
 * all there. One that is not registered must never be upserted: it fails the workflow task over and over.
 */
export async function registerSearchAttributes(
  connection: NativeConnection,
  namespace: string,
  log: Logger,
): Promise<() => Promise<boolean>> {
  const names = Object.values(searchAttributes).map(({ name }) => name);
  const exist = async (): Promise<boolean> => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return names.every((name) => Object.hasOwn(customAttributes, name));
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
      if (await exist()) return true;
      // Also later: a Temporal that lost its state lost them, too.
      await register();
      return await exist();
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'search attributes cannot be listed; none are used');
      return false;
    }
  });
  await answer();
  return answer;
}

function cached(ask: () => Promise<boolean>): () => Promise<boolean> {
  let answer: Promise<boolean> | null = null;
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
