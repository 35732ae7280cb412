import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@temporalio/client';
import { createConnection } from '../../db/connections/connections.ts';
import type { Db } from '../../db/core/database.ts';
import { createKeyRing, type KeyRing } from '../../db/keys/key-ring.ts';
import { addCandidate } from '../../db/keys/candidates.ts';
import { addDays, dayOf, startOfDayMs, type Day, type DayRange } from '../../domain/days.ts';
import { startService, type RunningService } from '../../local/processes/service.ts';
import type { Simulator } from '../../simulator/simulator.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, statusQuery, type signals } from '../../workflows/messages.ts';
import { stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { adminKey } from '../support/admin-key.ts';
import { failedTasksIn } from '../support/failed-tasks.ts';

const ROOT = join(import.meta.dirname, '../..');
const MINUTE_MS = 60_000;

/** How long something may take on a busy machine that waits for timeouts of Temporal on its way. */
export const PATIENCE_MS = 90_000;

/** Compiles the programs, where they are not what the sources say, and waits out a midnight that is near. */
export async function prepare(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/run.mjs')], { cwd: ROOT });
  // A day that begins meanwhile is rightly read, too, and nobody could say which syncs there have to be.
  const midnightMs = (): number => startOfDayMs(addDays(dayOf(Date.now()), 1)) - Date.now();
  await until('midnight to pass', () => midnightMs() > 4 * MINUTE_MS, 5 * MINUTE_MS);
}

/** Where worker processes run and what they share. */
export interface Place {
  readonly db: Db;
  readonly client: Client;
  readonly simulator: Simulator;
  readonly ring: KeyRing;
  readonly today: Day;
  readonly env: NodeJS.ProcessEnv;
  /** Starts a worker as `npm run worker` does, and waits until it serves. */
  startWorker(env?: NodeJS.ProcessEnv): Promise<WorkerProcess>;
  /** What its workers wrote that is no line of their log, or says that something is wrong with them. */
  errors(): string[];
  /** Kills what runs still. */
  close(): Promise<void>;
}

/** A worker in a process of its own. */
export interface WorkerProcess {
  readonly pid: number;
  readonly exited: RunningService['exited'];
  /** Sends SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** The lines it wrote. */
  lines(): string[];
}

/** A place on a database and a Temporal; the programs must be compiled. */
export function createPlace(on: {
  db: Db;
  databaseUrl: string;
  temporalAddress: string;
  client: Client;
  simulator: Simulator;
}): Place {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-processes-'));
  const key = randomBytes(32);
  const started: WorkerProcess[] = [];
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    DATABASE_URL: on.databaseUrl,
    TEMPORAL_ADDRESS: on.temporalAddress,
    METERLINE_TASK_QUEUE: `test-${randomUUID()}`,
    METERLINE_ENCRYPTION_KEYS: `test:${key.toString('base64')}`,
    ANTHROPIC_BASE_URL: on.simulator.url,
    // Half a day away, so that no daily sync comes due meanwhile.
    METERLINE_SYNC_HOUR_UTC: String((new Date().getUTCHours() + 12) % 24),
  };
  return {
    db: on.db,
    client: on.client,
    simulator: on.simulator,
    ring: createKeyRing([{ id: 'test', key }]),
    today: dayOf(Date.now()),
    env,
    async startWorker(changed = {}) {
      const logFile = join(folder, `worker-${started.length}.log`);
      const script = join(ROOT, 'dist/worker/main.js');
      const worker = toWorker(await startService({ name: 'The worker', script, env: { ...env, ...changed }, logFile }));
      started.push(worker);
      return worker;

      function toWorker({ pid, exited }: RunningService): WorkerProcess {
        return {
          pid,
          exited,
          async kill() {
            send(pid, 'SIGKILL');
            await exited;
          },
          signal: (name) => {
            send(pid, name);
          },
          lines: () => readFileSync(logFile, 'utf8').trimEnd().split('\n'),
        };
      }
    },
    errors: () => started.flatMap((worker) => worker.lines()).filter((line) => !/^\{"level":[1-4]\d,/.test(line)),
    async close() {
      await Promise.all(started.map((worker) => worker.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** A connection of a test: its organization has no other, and its simulated key no other use. */
export interface Connected {
  readonly id: string;
  readonly organization: string;
  readonly key: string;
  readonly days: DayRange;
}

/** Stores a connection to an organization of its own. Its workflow is not started. */
export async function store(place: Place, name: string, backfillDays: number): Promise<Connected> {
  const { control } = place.simulator;
  const organization = control.addOrganization({ name, keys: [{}], daysOff: false }).id;
  const key = control.keys().find((known) => known.organization === organization)?.key ?? '';
  const days: DayRange = { from: addDays(place.today, 1 - backfillDays), to: place.today };
  const id = randomUUID();
  const made = {
    id,
    name,
    began: days.from,
    backfillTo: days.to,
    keyId: randomUUID(),
    adminKey: adminKey(key),
    actor: 'test',
  };
  await createConnection(place.db, place.ring, made);
  return { id, organization, key, days };
}

/** Starts the workflow of a stored connection, unless the keeper did. */
export async function start({ client, env }: Place, { id }: Connected): Promise<void> {
  await client.workflow.start(CONNECTION_WORKFLOW, {
    workflowId: connectionWorkflowId(id),
    taskQueue: env['METERLINE_TASK_QUEUE'] ?? '',
    args: [{ connectionId: id }],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
}

/** Signals a connection. */
export async function tell({ client }: Place, id: string, name: keyof typeof signals, input?: unknown): Promise<void> {
  await client.workflow.getHandle(connectionWorkflowId(id)).signal(name, ...(input === undefined ? [] : [input]));
}

/** Stages a key and signals its connection to use it. */
export async function rotate(place: Place, id: string, text: string): Promise<void> {
  const keyId = randomUUID();
  await addCandidate(place.db, place.ring, {
    connectionId: id,
    keyId,
    adminKey: adminKey(text),
    requested: false,
    actor: 'test',
  });
  await tell(place, id, 'rotateKey', { keyId });
}

/** Waits until a connection is active, and its workflow answers that it has nothing to do. */
export async function waits(place: Place, id: string, withinMs = PATIENCE_MS): Promise<void> {
  const handle = place.client.workflow.getHandle(connectionWorkflowId(id));
  await until(
    `connection ${id} to have nothing to do`,
    async () => {
      // Postgres first, where it answers: each query of a workflow is work for the worker.
      const state = await stateOf(place.db, id).catch(() => null);
      if (state?.status !== 'active') return false;
      // A sync that somebody else started may have read all days while its own is still under way.
      const syncs = await syncsOf(place.db, id).catch(() => null);
      if (syncs === null || syncs.some((sync) => sync.state === 'running')) return false;
      const ask = place.client.withDeadline(Date.now() + 5_000, () => handle.query(statusQuery));
      const answer = await ask.catch(() => null);
      return answer?.status === 'active' && answer.doing === 'wait' && answer.sync === null;
    },
    withinMs,
  );
}

/** Why workflow tasks of a task queue failed, each with its workflow. */
export async function failedTasks({ client, env }: Place): Promise<string[]> {
  const failures: string[] = [];
  const query = `TaskQueue = '${env['METERLINE_TASK_QUEUE'] ?? ''}'`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    failures.push(...failedTasksIn(history).map((failure) => `${workflowId}: ${failure}`));
  }
  return failures;
}
