import { tmpdir } from 'node:os';
import { messageOf } from '../errors.ts';
import { runToEnd } from '../processes/child.ts';
import type { Program } from './programs.ts';

/** The result of one place: the path of a program that works, or why it has none. The next place may have it. */
export type Attempt = { path: string } | { problem: string };

const VERSION_WITHIN_MS = 20_000;
const MAX_OUTPUT_CHARACTERS = 200;

/** Runs a program that was found, since it may be incomplete, or made for another kind of machine. */
export async function check(program: Program, path: string): Promise<Attempt> {
  let result;
  try {
    // Settings in the user's environment must not change the answer.
    const env = { PATH: process.env['PATH'] ?? '', HOME: tmpdir() };
    result = await runToEnd(path, ['--version'], { timeoutMs: VERSION_WITHIN_MS, env });
  } catch (error) {
    return { problem: `${path} does not run: ${messageOf(error)}` };
  }
  if (result.timedOut) return { problem: `${path} gave no answer to --version in time` };
  if (program.works.test(result.output)) return { path };
  const firstLine = (result.output.split('\n')[0] ?? '').slice(0, MAX_OUTPUT_CHARACTERS);
  return {
    problem: `${path} is another program: ${firstLine === '' ? `exit status ${String(result.code)}` : firstLine}`,
  };
}

/** The first of these paths with a program that works. `problem` applies if no path has any program. */
export async function firstThatWorks(
  program: Program,
  paths: readonly string[],
  { isPresent, problem }: { isPresent: (path: string) => boolean | Promise<boolean>; problem: string },
): Promise<Attempt> {
  const problems: string[] = [];
  for (const path of paths) {
    if (!(await isPresent(path))) continue;
    const attempt = await check(program, path);
    if ('path' in attempt) return attempt;
    problems.push(attempt.problem);
  }
  return { problem: problems.length === 0 ? problem : problems.join('; ') };
}
