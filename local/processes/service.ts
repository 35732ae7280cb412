import { setTimeout as delay } from 'node:timers/promises';
import { describeExit, spawnService, stopChild, terminate, type Running, type Spawned } from './processes.ts';

export interface ServiceOptions {
  /** What it is called in messages. */
  name: string;
  /** The JavaScript file to run. */
  script: string;
  args?: readonly string[];
  nodeFlags?: readonly string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
  readyWithinMs?: number;
  onSpawn?: (pid: number) => void;
}

export interface RunningService extends Running {
  /** The last lines it wrote. */
  lastLines: (count?: number) => string;
}

/**
 * As in the Dockerfile and scripts/run.mjs: what a page leaves behind is given back soon, and not kept by each thread's
 * own pool. It takes a third off the most memory that a worker ever has.
 */
const LEAN = { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4' };
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 4000;

/**
 * Starts a program of ours in a process of its own. It says that it is ready over an IPC channel, and ends by itself
 * when that channel closes, so it never outlives its supervisor.
 */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { name, script, args = [], nodeFlags = [], readyWithinMs = READY_WITHIN_MS } = options;
  const service = await spawnService(process.execPath, ['--enable-source-maps', ...nodeFlags, script, ...args], {
    env: { ...LEAN, ...options.env },
    logFile: options.logFile,
    onSpawn: options.onSpawn,
    ipc: true,
  });
  const stop = async (withinMs = STOP_WITHIN_MS): Promise<void> => {
    const stopped = stopChild(service.child, service.exited, terminate(withinMs));
    // An open channel would keep a program alive that has nothing left to do.
    if (service.child.connected) service.child.disconnect();
    await stopped;
  };
  const answer = await firstOf(service, readyWithinMs);
  if ('failure' in answer) {
    await stop();
    const said = service.lastLines();
    const lines = said === '' ? 'It wrote nothing.' : `Its last lines (${options.logFile}):\n${said}`;
    throw new Error(`${name} ${answer.failure}. ${lines}`);
  }
  const { pid, exited, lastLines } = service;
  return { pid, exited, stop, lastLines, ...(answer.address === undefined ? {} : { address: answer.address }) };
}

type Answer = { failure: string } | { address?: string };

async function firstOf(service: Spawned, readyWithinMs: number): Promise<Answer> {
  const ready = new Promise<Answer>((resolve) => {
    service.child.on('message', (message: unknown) => {
      if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'ready') return;
      const address = 'address' in message && typeof message.address === 'string' ? message.address : undefined;
      resolve(address === undefined ? {} : { address });
    });
  });
  const ended = service.exited.then((exit): Answer => ({ failure: `did not start (${describeExit(exit)})` }));
  const timer = new AbortController();
  const late = delay(readyWithinMs, null, { signal: timer.signal }).then(
    (): Answer => ({ failure: `was not ready within ${readyWithinMs / 1000} s` }),
    (): Answer => ({}),
  );
  const answer = await Promise.race([ready, ended, late]);
  timer.abort();
  return answer;
}

/** Runs a program of ours that does one thing and ends. */
export async function runOnce(options: ServiceOptions): Promise<void> {
  const { name, script, args = [], env, logFile } = options;
  const service = await spawnService(process.execPath, ['--enable-source-maps', script, ...args], { env, logFile });
  const exit = await service.exited;
  if (exit.code === 0) return;
  throw new Error(`${name} failed (${describeExit(exit)}). Its last lines (${logFile}):\n${service.lastLines()}`);
}
