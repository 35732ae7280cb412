import type { OpenReading, PageReader } from '../pages/page-reader.ts';
import type { Report } from '../domain/lines.ts';

/** A reading with a page larger than this is large. */
const LARGE_BYTES = 2 * 2 ** 20;

/** A reading with large pages: it waits for its turn, or has it. */
interface Turn {
  /** In the order in which the readings began. */
  readonly number: number;
  readonly begin: () => void;
}

/**
 * Readings whose pages are large, one at a time. Side by side they would end no sooner, since one thread reads all pages,
 * and would hold the memory of all their pages. Of those that wait, the one that began first has the next turn, and keeps
 * it until it is closed.
 */
export class LargeReadings {
  #last = 0;
  #holder: Turn | null = null;
  #waiting: Turn[] = [];

  /** Opens a reading. Its `turn` waits after a large page, and throws the reason of `signal` if that is aborted meanwhile. */
  open(pages: PageReader, report: Report, signal: AbortSignal): OpenReading {
    const reading = pages.open(report);
    const number = (this.#last += 1);
    let turn: Turn | null = null;
    let begun: Promise<void> | null = null;
    const wait = (): Promise<void> =>
      new Promise((resolve, reject) => {
        turn = { number, begin: resolve };
        this.#waiting.push(turn);
        signal.addEventListener('abort', () => {
          this.#leave(turn);
          reject(asError(signal.reason));
        });
        this.#next();
      });
    return {
      turn: async (bytes) => {
        if (bytes > LARGE_BYTES) begun ??= wait();
        await begun;
      },
      read: (body, asked) => reading.read(body, asked),
      close: () => {
        this.#leave(turn);
        reading.close();
      },
    };
  }

  #leave(turn: Turn | null): void {
    if (turn === null) return;
    this.#waiting = this.#waiting.filter((each) => each !== turn);
    if (this.#holder === turn) this.#holder = null;
    this.#next();
  }

  #next(): void {
    if (this.#holder !== null) return;
    const first = Math.min(...this.#waiting.map(({ number }) => number));
    const next = this.#waiting.find(({ number }) => number === first);
    if (next === undefined) return;
    this.#waiting = this.#waiting.filter((each) => each !== next);
    this.#holder = next;
    next.begin();
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('the reading was given up');
}
