const BATCH = 500;

interface Question<Found> {
  readonly hash: Buffer;
  readonly resolve: (found: Found | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks up hashes with one statement at a time; requests that arrive meanwhile share the next statement. So even a flood
 * of requests with made-up tokens uses only one connection of the pool, and valid tokens are still found. `find` gives what
 * it finds by the hash in hex.
 */
export function lookUpInBatches<Found>(
  find: (hashes: readonly Buffer[]) => Promise<ReadonlyMap<string, Found>>,
): (hash: Buffer) => Promise<Found | null> {
  const waiting: Question<Found>[] = [];
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH);
      try {
        const found = await find(batch.map(({ hash }) => hash));
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
