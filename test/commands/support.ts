import { spawn } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** How a command ended, and what it wrote. */
export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command as `npm run` does, once the programs are compiled. It is killed at the first word that `killAt` names. */
export function command(
  name: 'keys' | 'tokens' | 'link' | 'reader' | 'focus',
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  killAt?: string,
): Promise<Outcome> {
  const child = spawn(process.execPath, [join(ROOT, `dist/commands/${name}.js`), ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'], ...env },
  });
  const said = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
    if (killAt !== undefined && said.out.includes(killAt)) child.kill('SIGKILL');
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  return new Promise((resolve) => {
    child.once('close', (status) => {
      resolve({ status, ...said });
    });
  });
}
