/** Postgres writes the days of one page while the next page is transferred and parsed. */
const AT_ONCE = 2;

/**
 * Starts `work` on each item, on at most two at a time, and passes the results to `done` in the order of the items. After
 * the first failure, no later result is passed on, and the work that was started is awaited before the failure is thrown.
 */
export async function inTurn<T, R>(
  items: AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  done: (result: R) => void,
): Promise<void> {
  const started: Promise<R>[] = [];
  const finishFirst = async (): Promise<void> => {
    try {
      for (const first of started.splice(0, 1)) done(await first);
    } catch (error) {
      await Promise.allSettled(started.splice(0));
      throw error;
    }
  };
  const finishAll = async (): Promise<void> => {
    while (started.length > 0) await finishFirst();
  };
  try {
    for await (const item of items) {
      const result = work(item);
      // It is awaited in its turn. A failure before that must not end the process as an unhandled rejection.
      result.catch(() => undefined);
      started.push(result);
      if (started.length >= AT_ONCE) await finishFirst();
    }
  } catch (error) {
    await finishAll().catch(() => undefined);
    throw error;
  }
  await finishAll();
}
