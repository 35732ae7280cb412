/**
 * node scripts/run.mjs [<entry.ts> [args]]: installs and builds what is missing, then runs a program of this project.
 * Without an entry it only installs and builds.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fail, root, setUp, statusOf, withoutProxyOnLoopback } from './setup.mjs';

const [entry, ...args] = process.argv.slice(2);
await setUp();
if (entry === undefined) process.exit(0);

const program = join(root, 'dist', entry.replace(/\.ts$/, '.js'));
// When this process is killed, the channel closes, and the program ends too.
const child = spawn(process.execPath, [program, ...args], {
  // As in the Dockerfile: the memory of a large page goes back to the system soon.
  env: {
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '131072',
    NODE_OPTIONS: '--max-semi-space-size=4',
    ...withoutProxyOnLoopback(process.env),
  },
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
});
const pass = (signal) => {
  child.kill(signal);
  // An open channel would keep the program alive after its work is done.
  if (child.connected) child.disconnect();
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
// npm runs scripts through a shell, which ends on a SIGTERM to npm and does not pass it on.
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
