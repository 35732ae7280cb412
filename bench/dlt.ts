import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { DayRange } from '../domain/days.ts';

/** How dlt writes: without a key, replacing whole days, or line by line by a key of day and dimensions. */
export const DLT_WRITES = ['append', 'merge-day', 'upsert'] as const;
export type DltWrite = (typeof DLT_WRITES)[number];

/** Seconds of a load by dlt, by the way it writes. */
export type DltTimes = Readonly<Record<DltWrite, number>>;

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../../bench/dlt/load.py', import.meta.url));
const python = process.env['METERLINE_BENCH_PYTHON'] ?? 'python3';
const loaded = z.object({ seconds: z.number(), lines: z.number(), stored: z.number() });

/** The versions of dlt and of what it loads with, or null if METERLINE_BENCH_PYTHON (python3) does not have them. */
export async function dltVersion(): Promise<string | null> {
  const script = [
    'import sys, importlib.metadata as m, dlt, pyarrow, adbc_driver_postgresql',
    'print("dlt", m.version("dlt") + ", pyarrow", m.version("pyarrow") + ", Python", sys.version.split()[0])',
  ];
  try {
    return (await run(python, ['-c', script.join('\n')])).stdout.trim();
  } catch {
    return null;
  }
}

/** Lets dlt load the days in each of its ways. Throws if it did not store every line. */
export async function measureDlt(options: {
  upstream: string;
  key: string;
  databaseUrl: string;
  days: DayRange;
}): Promise<DltTimes> {
  const { upstream, key, databaseUrl, days } = options;
  const load = async (write: DltWrite): Promise<number> => {
    const from = ['--upstream', upstream, '--key', key, '--from', days.from, '--to', days.to];
    const { stdout } = await run(python, [SCRIPT, ...from, '--database', databaseUrl, '--write', write], {
      env: { ...process.env, RUNTIME__DLTHUB_TELEMETRY: 'false', RUNTIME__LOG_LEVEL: 'ERROR' },
    });
    const { seconds, lines, stored } = loaded.parse(JSON.parse(stdout));
    if (stored !== lines) throw new Error(`dlt read ${lines} lines and stored ${stored}`);
    return seconds;
  };
  return { append: await load('append'), 'merge-day': await load('merge-day'), upsert: await load('upsert') };
}
