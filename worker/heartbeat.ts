import type { Logger } from 'pino';

/** Whoever watches expects no more than one a minute. */
const AT_MOST_EVERY_MS = 60_000;

export interface HeartbeatOptions {
  /** The only part of the address that the log names. */
  readonly host: string;
  /** Asks once. Resolves with null if it was heard, or else with why not; never rejects. */
  readonly ask: (signal: AbortSignal) => Promise<string | null>;
  readonly log: Logger;
  /** Counts up evenly, in milliseconds. */
  readonly nowMs?: () => number;
}

/**
 * Tells somebody outside that all is well, so that they notice when this deployment tells nobody anything any more. It asks
 * at most once a minute, and never while it still waits for an answer. The log says when it is not heard any more, and when
 * it is heard again.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #nowMs: () => number;
  readonly #stop = new AbortController();
  #askedMs = -Infinity;
  #isAsking = false;
  #unheardSinceMs: number | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? ((): number => performance.now());
  }

  /** A round of the keeper ended well. Nobody waits for what this starts. */
  beat(): void {
    if (this.#stop.signal.aborted || this.#isAsking || this.#nowMs() - this.#askedMs < AT_MOST_EVERY_MS) return;
    this.#askedMs = this.#nowMs();
    this.#isAsking = true;
    void this.#options
      .ask(this.#stop.signal)
      .then((problem) => {
        this.#report(problem);
      })
      .finally(() => {
        this.#isAsking = false;
      });
  }

  /** Ends what is under way, and asks no more. */
  stop(): void {
    this.#stop.abort();
  }

  #report(problem: string | null): void {
    const { host, log } = this.#options;
    if (this.#stop.signal.aborted) return;
    if (problem === null) {
      if (this.#unheardSinceMs === null) return;
      const seconds = Math.round((this.#nowMs() - this.#unheardSinceMs) / 1000);
      this.#unheardSinceMs = null;
      log.info({ host, seconds }, `${host} hears the heartbeat again, after ${seconds} s`);
      return;
    }
    if (this.#unheardSinceMs !== null) return;
    this.#unheardSinceMs = this.#nowMs();
    log.warn({ host, error: problem }, `the heartbeat is not heard: ${problem}. Check METERLINE_HEARTBEAT_URL.`);
  }
}
