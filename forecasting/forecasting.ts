import { Worker } from 'node:worker_threads';
import type { Budget } from '../domain/budgets/budget.ts';
import type { ReplayedAlert } from '../domain/budgets/replay.ts';
import type { BudgetDay } from '../domain/budgets/state.ts';
import type { DayRange } from '../domain/days.ts';
import { aheadOf, type Ahead } from '../domain/spend/ahead.ts';
import { replayed } from './replayed.ts';

/** What is replayed: a budget, every day as far as a forecast learns from it, and the days that are taken one by one. */
export interface Replay {
  readonly budget: Pick<Budget, 'period' | 'amount' | 'thresholds'>;
  readonly days: readonly BudgetDay[];
  readonly range: DayRange;
}

/** Makes forecasts. Each takes tens of milliseconds, and a replay makes many. */
export interface Forecasting {
  /** What a period is expected to come to, by groups. Throws {@link ForecastingLostError}. */
  ahead(asked: Parameters<typeof aheadOf>[0]): Promise<Ahead>;
  /** What a budget would have told, oldest first. Throws {@link ForecastingLostError}. */
  replay(asked: Replay): Promise<readonly ReplayedAlert[]>;
  close(): Promise<void>;
}

/** The thread ended before it answered. The next request starts a new one. */
export class ForecastingLostError extends Error {
  override readonly name = 'ForecastingLostError';
}

/** What a thread is told. */
export type Request = { readonly no: number } & (
  | { readonly kind: 'ahead'; readonly asked: Parameters<typeof aheadOf>[0] }
  | { readonly kind: 'replay'; readonly asked: Replay }
);

/** What it answers. `failed` is a fault of ours. */
export type Answer = { readonly no: number } & (
  | { readonly kind: 'ahead'; readonly found: Ahead }
  | { readonly kind: 'replay'; readonly found: readonly ReplayedAlert[] }
  | { readonly kind: 'failed'; readonly message: string }
);

/**
 * Forecasts in threads of their own, so that no request holds up the others: one for forecasts, one for replays, which take
 * longer. Each takes one request at a time and starts with its first one. `program` is `thread.js` of this room.
 */
export function forecastingThreads(program: URL): Forecasting {
  const [forecasts, replays] = [new Thread(program), new Thread(program)];
  return {
    async ahead(asked) {
      const answer = await forecasts.ask((no) => ({ no, kind: 'ahead', asked }));
      if (answer.kind !== 'ahead') throw new Error('the thread answered something else');
      return answer.found;
    },
    async replay(asked) {
      const answer = await replays.ask((no) => ({ no, kind: 'replay', asked }));
      if (answer.kind !== 'replay') throw new Error('the thread answered something else');
      return answer.found;
    },
    async close() {
      await Promise.all([forecasts.close(), replays.close()]);
    },
  };
}

/** Forecasts in the calling thread. */
export function forecastingHere(): Forecasting {
  return {
    ahead: (asked) => Promise.resolve(aheadOf(asked)),
    replay: (asked) => Promise.resolve(replayed(asked)),
    close: () => Promise.resolve(),
  };
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

class Thread {
  readonly #program: URL;
  #thread: Worker | null = null;
  #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(program: URL) {
    this.#program = program;
  }

  ask(request: (no: number) => Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#last += 1;
      this.#waiting.set(this.#last, { resolve, reject });
      this.#thread ??= this.#start();
      this.#thread.postMessage(request(this.#last));
    });
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#lose(thread, 'it was stopped');
    await thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(this.#program);
    thread.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.no);
      this.#waiting.delete(answer.no);
      if (answer.kind === 'failed') waiting?.reject(new Error(`The thread that forecasts failed: ${answer.message}`));
      else waiting?.resolve(answer);
    });
    thread.on('error', (error) => {
      this.#lose(thread, error.message);
    });
    thread.on('exit', () => {
      this.#lose(thread, 'it ended');
    });
    // A process with nothing else to do may end. This comes last, since a listener for messages keeps it alive.
    thread.unref();
    return thread;
  }

  #lose(thread: Worker | null, why: string): void {
    if (thread === null || this.#thread !== thread) return;
    this.#thread = null;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const { reject } of waiting.values()) {
      reject(new ForecastingLostError(`The thread that forecasts ended: ${why}. The next request starts a new one.`));
    }
  }
}
