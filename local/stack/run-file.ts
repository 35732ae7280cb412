import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { EMBEDDED_FILES } from '../../config/embedded.ts';
import { StackError, isErrno, messageOf } from '../errors.ts';
import { identityOf, stopPid, type Escalation } from '../processes/pids.ts';

export const ROLES = ['api', 'worker', 'mail', 'simulator', 'temporal', 'postgres'] as const;
/** The processes of a stack, in the order in which they stop: each before those that it needs. */
export type Role = (typeof ROLES)[number];

const processSchema = z.object({
  pid: z.int().min(2),
  /** Tells the process from a later one with the same pid, see pids.ts. */
  started: z.string().nullable(),
});
const partSchema = processSchema.extend({ role: z.enum(ROLES), address: z.string().optional() });
const fileSchema = z.object({ supervisor: processSchema, processes: z.array(partSchema) });

type RunFileContent = z.infer<typeof fileSchema>;
type RunningPart = z.infer<typeof partSchema>;

const CLAIM_ATTEMPTS = 5;

/** How to stop a process that no supervisor looks after. For Postgres: its fast shutdown, then its immediate one. */
export const END_SIGNALS: Record<Role, Escalation> = {
  api: [
    ['SIGTERM', 2_000],
    ['SIGKILL', 2_000],
  ],
  worker: [
    ['SIGTERM', 4_000],
    ['SIGKILL', 2_000],
  ],
  mail: [
    ['SIGTERM', 1_000],
    ['SIGKILL', 2_000],
  ],
  simulator: [
    ['SIGTERM', 1_000],
    ['SIGKILL', 2_000],
  ],
  temporal: [
    ['SIGTERM', 3_000],
    ['SIGKILL', 2_000],
  ],
  postgres: [
    ['SIGINT', 5_000],
    ['SIGQUIT', 2_000],
    ['SIGKILL', 2_000],
  ],
};

/**
 * `<data dir>/run.json`: which processes run on a data directory. Only the supervisor that created the file may run
 * there. It replaces the file whole at each change, and removes it at a clean stop.
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

  /**
   * Takes a data directory, and first stops the processes that a dead supervisor left behind. Throws StackError if a
   * living supervisor has the directory, or if it cannot be used.
   */
  static async claim(dataDir: string, log: (line: string) => void): Promise<RunFile> {
    const directory = resolve(dataDir);
    makeDirectory(directory);
    const path = join(directory, EMBEDDED_FILES.run);
    const content: RunFileContent = {
      supervisor: { pid: process.pid, started: identityOf(process.pid) },
      processes: [],
    };
    for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
      if (createWhole(path, content)) return new RunFile(path, content, log);
      await takeOver(path, directory, log);
    }
    throw new StackError(`${path} cannot be taken over: it comes back whenever it is removed.`);
  }

  /** Records the process of a part, in place of an earlier one. */
  set(part: { role: Role; pid: number; address?: string }): void {
    this.#drop(part.role);
    this.#content.processes.push({ ...part, started: identityOf(part.pid) });
    this.#content.processes.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
    this.#write();
  }

  remove(role: Role): void {
    this.#drop(role);
    this.#write();
  }

  /** Gives the data directory back. Later changes are ignored. */
  release(): void {
    this.#isReleased = true;
    rmSync(this.#path, { force: true });
  }

  /** A full disk does not stop the stack. The next change writes the whole file again. */
  #write(): void {
    if (this.#isReleased) return;
    try {
      renameSync(writeBeside(this.#path, this.#content), this.#path);
    } catch (error) {
      this.#log(`${this.#path} could not be updated: ${messageOf(error)}`);
    }
  }

  #drop(role: Role): void {
    this.#content.processes = this.#content.processes.filter((part) => part.role !== role);
  }
}

/** The processes that run on a data directory now; null if no living supervisor uses it. */
export function runningOn(dataDir: string): readonly RunningPart[] | null {
  const text = readIfPresent(join(resolve(dataDir), EMBEDDED_FILES.run));
  const content = text === null ? null : parse(text);
  return content !== null && isStillRunning(content.supervisor) ? content.processes : null;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new StackError(
      `${directory} cannot be made or used as the data directory (${code}). Set METERLINE_DATA_DIR to another.`,
    );
  }
}

/** False if the file exists. It appears with its whole content, or not at all. */
function createWhole(path: string, content: RunFileContent): boolean {
  const whole = writeBeside(path, content);
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

function writeBeside(path: string, content: RunFileContent): string {
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return beside;
}

async function takeOver(path: string, directory: string, log: (line: string) => void): Promise<void> {
  const text = readIfPresent(path);
  if (text === null) return;
  const earlier = parse(text);
  if (earlier !== null && isStillRunning(earlier.supervisor)) {
    throw new StackError(
      `Meterline already runs on ${directory} (process ${earlier.supervisor.pid}). ` +
        'Stop that one first, or set METERLINE_DATA_DIR to another directory.',
    );
  }
  if (earlier === null) log(`${EMBEDDED_FILES.run} is unreadable and will be replaced`);
  for (const role of ROLES) {
    for (const part of earlier?.processes.filter((each) => each.role === role) ?? []) await endOrphan(part, log);
  }
  removeIfUnchanged(path, text);
}

async function endOrphan(part: RunningPart, log: (line: string) => void): Promise<void> {
  if (!isStillRunning(part)) return;
  log(`${part.role}: stopping process ${part.pid}, which an earlier run left behind`);
  if (!(await stopPid(part.pid, END_SIGNALS[part.role]))) {
    throw new StackError(`${part.role} (process ${part.pid}), which an earlier run left behind, does not stop.`);
  }
}

/** Whether a recorded process still runs, and no later one has its pid. */
function isStillRunning({ pid, started }: { pid: number; started: string | null }): boolean {
  const now = identityOf(pid);
  return now !== null && now === started;
}

/** Another start may have replaced the file meanwhile. So it is moved aside, read again, and moved back if it changed. */
function removeIfUnchanged(path: string, text: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (readIfPresent(aside) === text) rmSync(aside);
  else renameSync(aside, path);
}

function readIfPresent(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Null for text that is not the content of a run file. */
function parse(text: string): RunFileContent | null {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
