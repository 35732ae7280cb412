/**
 * node scripts/run.mjs [<entry.ts> [args]]: runs a program of this project, from whatever state the clone is in.
 * Without an entry it only brings the clone into the state to run.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fail, root, setUp, statusOf, withoutProxyOnLoopback } from './setup.mjs';

const [entry, ...args] = process.argv.slice(2);
await setUp();
if (entry === undefined) process.exit(0);

const program = join(root, 'dist', entry.replace(/\.ts$/, '.js'));
// The channel is how the program learns that this process was killed: it then ends as well.
const child = spawn(process.execPath, ['--enable-source-maps', program, ...args], {
  // As in the Dockerfile: what a page leaves behind is given back soon.
  env: { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4', ...withoutProxyOnLoopback(process.env) },
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
});
const pass = (signal) => {
  child.kill(signal);
  // An open channel would keep a program alive that has nothing left to do.
  if (child.connected) child.disconnect();
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
// npm runs scripts through a shell, which ends at a SIGTERM for npm and passes nothing on.
const parent = process.ppid;
if (process.env.npm_lifecycle_event !== undefined) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    pass('SIGTERM');
  }, 500);
}
child.once('error', (error) => fail(error.message));
child.once('exit', (code, signal) => process.exit(code ?? statusOf(signal)));
