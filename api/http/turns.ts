/** What a token has under way, and waiting for its turn. */
interface Line {
  underWay: number;
  readonly waiting: (() => void)[];
}

/**
 * Lets so many requests of one token be worked on at once, and the others wait for their turn. For reports, which take
 * a moment of Postgres and of this process each: a token that asks for many at once waits for its own, and nobody else.
 */
export class Turns {
  readonly #limit: number;
  readonly #lines = new Map<string, Line>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when it is the turn of this token, with what ends the turn. */
  async take(token: string): Promise<() => void> {
    const line = this.#lines.get(token) ?? { underWay: 0, waiting: [] };
    this.#lines.set(token, line);
    if (line.underWay >= this.#limit) await new Promise<void>((resolve) => line.waiting.push(resolve));
    else line.underWay += 1;
    return () => {
      const next = line.waiting.shift();
      // Whoever is next takes the place over, so that nobody comes between.
      if (next !== undefined) next();
      else line.underWay -= 1;
      if (line.underWay === 0) this.#lines.delete(token);
    };
  }
}
