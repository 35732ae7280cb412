/** The requests of one token. */
interface Line {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Runs at most `limit` requests of one token at once; its other requests wait for their turn. For reports, which are
 * expensive for Postgres and for this process: a token that asks for many delays only itself.
 */
export class Turns {
  readonly #limit: number;
  readonly #lines = new Map<string, Line>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the turn begins, with the function that ends it. */
  async take(token: string): Promise<() => void> {
    const line = this.#lines.get(token) ?? { running: 0, waiting: [] };
    this.#lines.set(token, line);
    if (line.running >= this.#limit) await new Promise<void>((resolve) => line.waiting.push(resolve));
    else line.running += 1;
    return () => {
      const next = line.waiting.shift();
      // The next request inherits the place, so that no new request can take it in between.
      if (next !== undefined) next();
      else line.running -= 1;
      if (line.running === 0) this.#lines.delete(token);
    };
  }
}
