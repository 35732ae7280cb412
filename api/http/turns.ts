/** The requests of one token. */
interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Runs at most `limit` requests of one token at once; its other requests wait for their turn. For reports, which are
 * expensive for Postgres and for this process: a token that asks for many delays only itself.
 */
export class Turns {
  readonly #limit: number;
  readonly #queues = new Map<string, Queue>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the turn begins, with the function that ends it. */
  async take(token: string): Promise<() => void> {
    const queue = this.#queues.get(token) ?? { running: 0, waiting: [] };
    this.#queues.set(token, queue);
    if (queue.running >= this.#limit) await new Promise<void>((resolve) => queue.waiting.push(resolve));
    else queue.running += 1;
    return () => {
      const next = queue.waiting.shift();
      // The next request inherits the place, so that no new request can take it in between.
      if (next !== undefined) next();
      else queue.running -= 1;
      if (queue.running === 0) this.#queues.delete(token);
    };
  }
}
