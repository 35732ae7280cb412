import type { Db } from '../../db/core/database.ts';
import { findTokens, type FoundToken } from '../../db/tokens/tokens.ts';

const BATCH = 500;

/** Finds the token with a hash, unless it is revoked or expired; null when there is none. */
export type TokenLookup = (hash: Buffer) => Promise<FoundToken | null>;

interface Question {
  readonly hash: Buffer;
  readonly resolve: (found: FoundToken | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks tokens up with one statement at a time: whoever asks meanwhile shares the next one. So however many requests
 * come with made-up tokens, they take one connection of the pool, and a valid one is found among them.
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
