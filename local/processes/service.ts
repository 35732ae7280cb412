import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { StackError } from '../errors.ts';
import { describeExit, spawnService, stopChild, terminate, type Running, type Spawned } from './child.ts';

export interface ServiceOptions {
  /** The name in messages, such as "The API". */
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
  /** The last lines of its output. */
  lastLines: (count?: number) => string;
}

/**
 * As in the Dockerfile and scripts/run.mjs: Node returns the memory of a page early, threads keep no pools of their own,
 * and what large buffers took goes back to the system. This lowers a worker's peak memory by more than a third.
 */
const MEMORY_SETTINGS = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  NODE_OPTIONS: '--max-semi-space-size=4',
};
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 4_000;

/** What our programs send over the IPC channel when they serve, see runtime/process.ts. */
const readyMessage = z.object({ type: z.literal('ready'), address: z.string().optional() });

/**
 * Starts one of our programs as a process, and resolves when it says over an IPC channel that it is ready. A program
 * ends by itself when the channel closes, so it never outlives us. Throws StackError with its last lines.
 */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { name, script, args = [], nodeFlags = [], readyWithinMs = READY_WITHIN_MS } = options;
  const service = await spawnService(process.execPath, [...nodeFlags, script, ...args], {
    env: { ...MEMORY_SETTINGS, ...options.env },
    logFile: options.logFile,
    onSpawn: options.onSpawn,
    ipc: true,
  });
  const stop = async (withinMs = STOP_WITHIN_MS): Promise<void> => {
    const stopped = stopChild(service, terminate(withinMs));
    // An open channel would keep a program alive that has nothing left to do.
    if (service.child.connected) service.child.disconnect();
    await stopped;
  };
  const start = await waitForStart(service, readyWithinMs);
  if ('failure' in start) {
    await stop();
    const lines = service.lastLines();
    const output = lines === '' ? 'It wrote nothing.' : `Its last lines (${options.logFile}):\n${lines}`;
    throw new StackError(`${name} ${start.failure}. ${output}`);
  }
  const { pid, exited, lastLines } = service;
  return { pid, exited, stop, lastLines, ...(start.address === undefined ? {} : { address: start.address }) };
}

type Start = { failure: string } | { address: string | undefined };

async function waitForStart(service: Spawned, readyWithinMs: number): Promise<Start> {
  const ready = new Promise<Start>((resolve) => {
    service.child.on('message', (message: unknown) => {
      const { success, data } = readyMessage.safeParse(message);
      if (success) resolve({ address: data.address });
    });
  });
  const ended = service.exited.then((exit): Start => ({ failure: `did not start (${describeExit(exit)})` }));
  const timer = new AbortController();
  const tooLate: Start = { failure: `was not ready within ${readyWithinMs / 1000} s` };
  const late = delay(readyWithinMs, tooLate, { signal: timer.signal }).catch(() => tooLate);
  const start = await Promise.race([ready, ended, late]);
  timer.abort();
  return start;
}

/** Runs one of our programs that does one thing and ends. Throws StackError if it fails. */
export async function runOnce(options: ServiceOptions): Promise<void> {
  const { name, script, args = [], env, logFile } = options;
  const service = await spawnService(process.execPath, [script, ...args], { env, logFile });
  const exit = await service.exited;
  if (exit.code === 0) return;
  throw new StackError(`${name} failed (${describeExit(exit)}). Its last lines (${logFile}):\n${service.lastLines()}`);
}
