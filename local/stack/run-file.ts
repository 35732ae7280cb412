import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { EMBEDDED_FILES } from '../../config/embedded.ts';
import { identityOf, isErrno, messageOf, stopPid, type Escalation } from '../processes/processes.ts';

export const ROLES = ['api', 'worker', 'simulator', 'temporal', 'postgres'] as const;
/** The parts of the stack, in the order in which they are stopped: each before what it needs. */
export type Role = (typeof ROLES)[number];

const processSchema = z.object({
  pid: z.int().min(2),
  /** When the process started: a pid alone may belong to another process by now. */
  started: z.string().nullable(),
});
const partSchema = processSchema.extend({ role: z.enum(ROLES), address: z.string().optional() });
const fileSchema = z.object({ supervisor: processSchema, processes: z.array(partSchema) });

type RunFileContent = z.infer<typeof fileSchema>;
type RunningPart = z.infer<typeof partSchema>;

/** How a process is ended that is no part of a running stack. Postgres: fast shutdown, then immediate. */
export const END_SIGNALS: Record<Role, Escalation> = {
  api: [
    ['SIGTERM', 2000],
    ['SIGKILL', 2000],
  ],
  worker: [
    ['SIGTERM', 4000],
    ['SIGKILL', 2000],
  ],
  simulator: [
    ['SIGTERM', 1000],
    ['SIGKILL', 2000],
  ],
  temporal: [
    ['SIGTERM', 3000],
    ['SIGKILL', 2000],
  ],
  postgres: [
    ['SIGINT', 5000],
    ['SIGQUIT', 2000],
    ['SIGKILL', 2000],
  ],
};

/** The data directory is in use by a supervisor that lives. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
}

/**
 * `<data dir>/run.json`: who runs on this data directory. Having made it is the right to run there; it is written in
 * one step, kept current, and removed at a clean stop.
 */
export class RunFile {
  readonly #path: string;
  readonly #content: RunFileContent;
  readonly #log: (line: string) => void;
  #isReleased = false;

  private constructor(path: string, content: RunFileContent, log: (line: string) => void) {
    this.#path = path;
    this.#content = content;
    this.#log = log;
  }

  /** Takes the data directory, ending what a dead supervisor left behind. Throws AlreadyRunningError. */
  static async claim(dataDir: string, log: (line: string) => void): Promise<RunFile> {
    const directory = resolve(dataDir);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      throw new Error(
        `${directory} cannot be made or used as the data directory (${why}). Set METERLINE_DATA_DIR to another.`,
      );
    }
    const path = join(directory, EMBEDDED_FILES.run);
    const content: RunFileContent = {
      supervisor: { pid: process.pid, started: identityOf(process.pid) },
      processes: [],
    };
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (createWhole(path, content)) return new RunFile(path, content, log);
      await takeOver(path, directory, log);
    }
    throw new Error(`${path} cannot be taken over: it comes back whenever it is removed.`);
  }

  /** A part runs, for the first time or again. */
  set(part: { role: Role; pid: number; address?: string }): void {
    this.#without(part.role);
    this.#content.processes.push({ ...part, started: identityOf(part.pid) });
    this.#content.processes.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
    this.#replace();
  }

  remove(role: Role): void {
    this.#without(role);
    this.#replace();
  }

  /** Gives the data directory back. What ends only afterwards does not take it again. */
  release(): void {
    this.#isReleased = true;
    rmSync(this.#path, { force: true });
  }

  /** A full disk is no reason to end what runs. The next change writes all of it again. */
  #replace(): void {
    if (this.#isReleased) return;
    try {
      replaceWhole(this.#path, this.#content);
    } catch (error) {
      this.#log(`${this.#path} does not say what runs now: ${messageOf(error)}`);
    }
  }

  #without(role: Role): void {
    this.#content.processes = this.#content.processes.filter((part) => part.role !== role);
  }
}

/** The parts that run on a data directory as of now; null when no living supervisor has it. */
export function runningOn(dataDir: string): readonly RunningPart[] | null {
  const text = readIfThere(join(resolve(dataDir), EMBEDDED_FILES.run));
  const content = text === null ? null : parse(text);
  return content !== null && isSame(content.supervisor) ? content.processes : null;
}

function createWhole(path: string, content: RunFileContent): boolean {
  const whole = temporary(path, content);
  try {
    linkSync(whole, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    rmSync(whole);
  }
}

function replaceWhole(path: string, content: RunFileContent): void {
  renameSync(temporary(path, content), path);
}

function temporary(path: string, content: RunFileContent): string {
  const whole = `${path}.${process.pid}`;
  writeFileSync(whole, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return whole;
}

async function takeOver(path: string, directory: string, log: (line: string) => void): Promise<void> {
  const text = readIfThere(path);
  if (text === null) return;
  const left = parse(text);
  if (left !== null && isSame(left.supervisor)) {
    throw new AlreadyRunningError(
      `Meterline runs on ${directory} already (process ${left.supervisor.pid}). ` +
        'Stop that one first, or set METERLINE_DATA_DIR to another directory.',
    );
  }
  if (left === null) log('run.json is unreadable; taking its place');
  for (const role of ROLES) {
    for (const part of left?.processes.filter((each) => each.role === role) ?? []) await endOrphan(part, log);
  }
  removeIfStill(path, text);
}

async function endOrphan(part: RunningPart, log: (line: string) => void): Promise<void> {
  if (!isSame(part)) return;
  log(`${part.role}: ending process ${part.pid}, left behind by an earlier run`);
  if (!(await stopPid(part.pid, END_SIGNALS[part.role]))) {
    throw new Error(`${part.role} (process ${part.pid}), left behind by an earlier run, does not end.`);
  }
}

/** Whether the process of that pid is still the one that was meant. */
function isSame({ pid, started }: { pid: number; started: string | null }): boolean {
  const now = identityOf(pid);
  return now !== null && now === started;
}

/** Moved away and looked at again before it is dropped: another start may have taken over in between. */
function removeIfStill(path: string, text: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (readIfThere(aside) !== text) renameSync(aside, path);
  else rmSync(aside);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

function parse(text: string): RunFileContent | null {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
