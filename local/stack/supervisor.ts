import { setTimeout as delay } from 'node:timers/promises';
import { StackError, messageOf } from '../errors.ts';
import { describeExit, type Running } from '../processes/child.ts';
import { stopPid } from '../processes/pids.ts';
import { END_SIGNALS, ROLES, RunFile, type Role } from './run-file.ts';

/**
 * A process to keep running. `start` resolves when the process is ready to serve, and runs again after each death. It
 * calls `onSpawn` as soon as the process exists, so that run.json has it even if we die while it starts.
 */
export interface Part<T extends Running = Running> {
  role: Role;
  start: (onSpawn: (pid: number) => void) => Promise<T>;
}

export interface Backoff {
  firstMs: number;
  maxMs: number;
  /** A part that lived this long counts as healthy, so its next restart waits for `firstMs` only. */
  healthyAfterMs: number;
}

export interface SupervisorOptions {
  dataDir: string;
  log: (line: string) => void;
  backoff?: Backoff;
}

const BACKOFF: Backoff = { firstMs: 250, maxMs: 10_000, healthyAfterMs: 30_000 };
/** How long each part may take to stop before it is killed. Together they stay below the 15 seconds of a whole stop. */
const STOP_WITHIN_MS: Record<Role, number> = {
  api: 2_500,
  worker: 4_500,
  mail: 500,
  simulator: 500,
  temporal: 2_500,
  postgres: 4_000,
};

/** Keeps the parts of a stack running, each as a process of its own, and stops them in order. */
export class Supervisor {
  readonly #log: (line: string) => void;
  readonly #backoff: Backoff;
  readonly #runFile: RunFile;
  readonly #running = new Map<Role, Running>();
  /** The pids of parts that are not ready yet. */
  readonly #starting = new Map<Role, number>();
  readonly #ending = new AbortController();
  readonly #watches: Promise<void>[] = [];
  #stopped: Promise<void> | null = null;

  private constructor(options: SupervisorOptions, runFile: RunFile) {
    this.#log = options.log;
    this.#backoff = options.backoff ?? BACKOFF;
    this.#runFile = runFile;
  }

  /** Takes the data directory. Throws StackError if another supervisor has it. */
  static async take(options: SupervisorOptions): Promise<Supervisor> {
    return new Supervisor(options, await RunFile.claim(options.dataDir, options.log));
  }

  /** Starts a part, and from then on restarts it whenever it dies. Throws if it does not start the first time. */
  async start<T extends Running>(part: Part<T>): Promise<T> {
    const running = await this.#begin(part);
    if (this.#ending.signal.aborted) {
      await running.stop(STOP_WITHIN_MS[part.role]);
      throw new StackError(`${part.role} was stopped while it started.`);
    }
    this.#add(part.role, running);
    this.#watches.push(this.#watch(part, running));
    return running;
  }

  /** Stops all parts in order. A second call waits for the same stop. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  /** Kills all parts at once. Postgres and Temporal recover their data at the next start. */
  kill(): void {
    this.#ending.abort();
    const running = [...this.#running.values()].map(({ pid }) => pid);
    for (const pid of [...running, ...this.#starting.values()]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
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
      this.#remove(role);
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

  #add(role: Role, running: Running): void {
    this.#running.set(role, running);
    const { pid, address } = running;
    this.#runFile.set({ role, pid, ...(address === undefined ? {} : { address }) });
  }

  #remove(role: Role): void {
    this.#running.delete(role);
    this.#runFile.remove(role);
  }

  async #watch(part: Part, first: Running): Promise<void> {
    let running = first;
    let waitMs = this.#backoff.firstMs;
    for (;;) {
      const startedAt = Date.now();
      const exit = await running.exited;
      if (this.#ending.signal.aborted) return;
      this.#remove(part.role);
      const livedMs = Date.now() - startedAt;
      if (livedMs >= this.#backoff.healthyAfterMs) waitMs = this.#backoff.firstMs;
      const lived = `process ${running.pid}, ${describeExit(exit)} after ${(livedMs / 1000).toFixed(1)} s`;
      this.#log(`${part.role} ended (${lived}); restarting it`);
      const restarted = await this.#restart(part, waitMs);
      if (restarted === null) return;
      running = restarted.running;
      waitMs = this.#longer(restarted.waitMs);
      this.#log(`${part.role} runs again (process ${running.pid})`);
    }
  }

  /** Tries until the part runs. Null if the supervisor stops meanwhile. */
  async #restart(part: Part, firstWaitMs: number): Promise<{ running: Running; waitMs: number } | null> {
    for (let waitMs = firstWaitMs; ; waitMs = this.#longer(waitMs)) {
      if (!(await this.#pause(waitMs))) return null;
      try {
        const running = await this.#begin(part);
        if (this.#ending.signal.aborted) {
          await running.stop(STOP_WITHIN_MS[part.role]);
          return null;
        }
        this.#add(part.role, running);
        return { running, waitMs };
      } catch (error) {
        if (this.#ending.signal.aborted) return null;
        this.#log(`${part.role} does not start, and will be tried again: ${messageOf(error)}`);
      }
    }
  }

  #longer(waitMs: number): number {
    return Math.min(waitMs * 2, this.#backoff.maxMs);
  }

  /** False if the supervisor stops meanwhile. */
  async #pause(waitMs: number): Promise<boolean> {
    return delay(waitMs, true, { signal: this.#ending.signal }).catch(() => false);
  }
}
