import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { messageOf } from '../../local/errors.ts';
import { runToEnd } from '../../local/processes/child.ts';
import { writableCache } from '../../local/temporal/find.ts';
import { fetchedPrograms, fetchProgram } from './fetch.ts';

/** A browser that works on this machine. */
export interface Chromium {
  readonly path: string;
  /** Its name and version, as it says. */
  readonly version: string;
  /** What its environment needs beside ours. */
  readonly env: Readonly<Record<string, string>>;
}

/** A program that may be a browser. */
export type Program = Omit<Chromium, 'version'>;

/** A browser, or why there is none. */
export type Found = { readonly chromium: Chromium } | { readonly problem: string };

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const USUAL_PLACES = [
  ...['/usr/bin', '/usr/local/bin', '/snap/bin', '/opt/homebrew/bin'].flatMap((directory) =>
    NAMES.map((name) => join(directory, name)),
  ),
  '/usr/lib/chromium/chromium',
  '/opt/google/chrome/chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const VERSION_WITHIN_MS = 30_000;
const VERSION = /(?:Google )?Chrom(?:e|ium)(?: for Testing)? \d+(?:\.\d+)+/;

export interface FindOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Whether to fetch a browser if there is none, which takes a minute; then it stays in the cache of the user. */
  readonly mayFetch: boolean;
  /** Where systems put it. */
  readonly places?: readonly string[];
}

/** Finds a Chromium: in `METERLINE_CHROMIUM`, on the PATH, where systems put it, or where an earlier run put it. */
export async function findChromium(options: FindOptions): Promise<Found> {
  const { env = process.env, mayFetch, places = USUAL_PLACES } = options;
  const cache = await writableCache(env, undefined);
  const found = await firstOf([...named(env), ...installed(env, places), ...fetchedPrograms(cache)]);
  if ('chromium' in found || !mayFetch) return found;
  const fetched = await fetchProgram(cache, env)
    .then(firstOf)
    .catch((error: unknown): Found => ({ problem: messageOf(error) }));
  return 'chromium' in fetched ? fetched : { problem: `${found.problem}; ${fetched.problem}` };
}

function named(env: NodeJS.ProcessEnv): Program[] {
  const path = env['METERLINE_CHROMIUM'];
  return path === undefined || path === '' ? [] : [{ path: resolve(path), env: {} }];
}

function installed(env: NodeJS.ProcessEnv, places: readonly string[]): Program[] {
  const directories = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  const onPath = NAMES.flatMap((name) => directories.map((directory) => resolve(directory, name)));
  return [...new Set([...onPath, ...places])].filter(isExecutable).map((path) => ({ path, env: {} }));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function firstOf(programs: readonly Program[]): Promise<Found> {
  const problems: string[] = [];
  for (const program of programs) {
    const found = await check(program);
    if ('chromium' in found) return found;
    problems.push(found.problem);
  }
  return { problem: problems.length === 0 ? 'none on this machine' : problems.join('; ') };
}

/** Runs a program, since it may be incomplete, or lack libraries. */
async function check(program: Program): Promise<Found> {
  try {
    const env = { ...process.env, ...program.env };
    const { output, timedOut } = await runToEnd(program.path, ['--version'], { timeoutMs: VERSION_WITHIN_MS, env });
    const version = VERSION.exec(output)?.[0];
    if (version !== undefined) return { chromium: { ...program, version } };
    return {
      problem: `${program.path}: ${timedOut ? 'no answer' : (output.split('\n').at(-1)?.slice(0, 200) ?? '')}`,
    };
  } catch (error) {
    return { problem: `${program.path}: ${messageOf(error)}` };
  }
}
