import type { Db } from '../../db/core/database.ts';
import { findTokens, type FoundToken } from '../../db/tokens/tokens.ts';

const BATCH = 500;

/** Finds a valid token by its hash; null if it is unknown, revoked or expired. */
export type TokenLookup = (hash: Buffer) => Promise<FoundToken | null>;

interface Question {
  readonly hash: Buffer;
  readonly resolve: (found: FoundToken | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks up tokens with one statement at a time; requests that arrive meanwhile share the next statement. So even a flood
 * of requests with made-up tokens uses only one connection of the pool, and valid tokens are still found.
 */
export function tokenLookup(db: Db): TokenLookup {
  const waiting: Question[] = [];
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH);
      try {
        const found = await findTokens(
          db,
          batch.map(({ hash }) => hash),
        );
        for (const { hash, resolve } of batch) resolve(found.get(hash.toString('hex')) ?? null);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isAsking = false;
  };
  return (hash) =>
    new Promise((resolve, reject) => {
      waiting.push({ hash, resolve, reject });
      if (!isAsking) void ask();
    });
}
