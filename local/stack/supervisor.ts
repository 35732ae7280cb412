import { setTimeout as delay } from 'node:timers/promises';
import { describeExit, messageOf, stopPid, type Running } from '../processes/processes.ts';
import { END_SIGNALS, ROLES, RunFile, type Role } from './run-file.ts';

/**
 * Something to keep running. `start` resolves when it is ready to serve, and is called again after each death. It calls
 * `onSpawn` as soon as there is a process, so that none goes unrecorded if we die while it starts.
 */
export interface Part<T extends Running = Running> {
  role: Role;
  start: (onSpawn: (pid: number) => void) => Promise<T>;
}

export interface Backoff {
  firstMs: number;
  maxMs: number;
  /** A part that lived this long is not failing again and again: its next restart comes soon. */
  healthyAfterMs: number;
}

export interface SupervisorOptions {
  dataDir: string;
  log: (line: string) => void;
  backoff?: Backoff;
}

const BACKOFF: Backoff = { firstMs: 250, maxMs: 10_000, healthyAfterMs: 30_000 };
/** How long each may take to stop before it is killed. Together below the 15 seconds a stop may take. */
const STOP_WITHIN_MS: Record<Role, number> = {
  api: 2500,
  worker: 4500,
  simulator: 1000,
  temporal: 2500,
  postgres: 4000,
};

/** Keeps the parts of the stack running, each a process of its own, and stops them in order. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #backoff: Backoff;
  readonly #runFile: RunFile;
  readonly #running = new Map<Role, Running>();
  /** The processes of parts that are not ready yet. */
  readonly #starting = new Map<Role, number>();
  readonly #ending = new AbortController();
  readonly #watches: Promise<void>[] = [];
  #stopped: Promise<void> | null = null;

  private constructor(options: SupervisorOptions, runFile: RunFile) {
    this.#options = options;
    this.#backoff = options.backoff ?? BACKOFF;
    this.#runFile = runFile;
  }

  /** Takes the data directory. Throws AlreadyRunningError where another one has it. */
  static async take(options: SupervisorOptions): Promise<Supervisor> {
    return new Supervisor(options, await RunFile.claim(options.dataDir, options.log));
  }

  /** Starts a part and keeps it running from then on. A part that does not start the first time is an error. */
  async start<T extends Running>(part: Part<T>): Promise<T> {
    const running = await this.#begin(part);
    if (this.#ending.signal.aborted) {
      await running.stop(STOP_WITHIN_MS[part.role]);
      throw new Error(`${part.role} was stopped while it started.`);
    }
    this.#runs(part.role, running);
    this.#watches.push(this.#watch(part, running));
    return running;
  }

  /** Stops everything, in order. Called again, it is the same stop. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  /** Ends everything at once. What keeps data recovers it at the next start. */
  kill(): void {
    this.#ending.abort();
    for (const pid of [...[...this.#running.values()].map((running) => running.pid), ...this.#starting.values()]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    this.#runFile.release();
  }

  async #stopAll(): Promise<void> {
    this.#ending.abort();
    for (const role of ROLES) {
      const starting = this.#starting.get(role);
      if (starting !== undefined) await stopPid(starting, END_SIGNALS[role]);
      const running = this.#running.get(role);
      if (running === undefined) continue;
      await running.stop(STOP_WITHIN_MS[role]);
      this.#ended(role);
    }
    await Promise.all(this.#watches);
    this.#runFile.release();
  }

  async #begin<T extends Running>(part: Part<T>): Promise<T> {
    try {
      return await part.start((pid) => {
        this.#starting.set(part.role, pid);
        this.#runFile.set({ role: part.role, pid });
      });
    } catch (error) {
      this.#runFile.remove(part.role);
      throw error;
    } finally {
      this.#starting.delete(part.role);
    }
  }

  #runs(role: Role, running: Running): void {
    this.#running.set(role, running);
    const { pid, address } = running;
    this.#runFile.set({ role, pid, ...(address === undefined ? {} : { address }) });
  }

  #ended(role: Role): void {
    this.#running.delete(role);
    this.#runFile.remove(role);
  }

  async #watch(part: Part, first: Running): Promise<void> {
    let running = first;
    let waitMs = this.#backoff.firstMs;
    for (;;) {
      const since = Date.now();
      const exit = await running.exited;
      if (this.#ending.signal.aborted) return;
      this.#ended(part.role);
      const livedMs = Date.now() - since;
      if (livedMs >= this.#backoff.healthyAfterMs) waitMs = this.#backoff.firstMs;
      const lived = `process ${running.pid}, ${(livedMs / 1000).toFixed(1)} s old`;
      this.#options.log(`${part.role} ended (${lived}: ${describeExit(exit)}); it is started again`);
      const again = await this.#startAgain(part, waitMs);
      if (again === null) return;
      running = again.running;
      waitMs = Math.min(again.waitMs * 2, this.#backoff.maxMs);
      this.#options.log(`${part.role} is back (process ${running.pid})`);
    }
  }

  /** Until it runs, or everything is being stopped (null). */
  async #startAgain(part: Part, firstWaitMs: number): Promise<{ running: Running; waitMs: number } | null> {
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, this.#backoff.maxMs)) {
      if (!(await this.#pause(waitMs))) return null;
      try {
        const running = await this.#begin(part);
        if (this.#ending.signal.aborted) {
          await running.stop(STOP_WITHIN_MS[part.role]);
          return null;
        }
        this.#runs(part.role, running);
        return { running, waitMs };
      } catch (error) {
        if (this.#ending.signal.aborted) return null;
        this.#options.log(`${part.role} does not start, and is tried again: ${messageOf(error)}`);
      }
    }
  }

  /** False when everything is being stopped. */
  async #pause(waitMs: number): Promise<boolean> {
    return delay(waitMs, true, { signal: this.#ending.signal }).catch(() => false);
  }
}
