/**
 * npm run check:containers: builds the image and runs docker-compose.yml with it: connects a simulated organization, kills
 * each server, freezes the worker, and inspects the image. Needs a Docker engine with compose and buildx, and openssl.
 * Removes everything that it made, and touches no other Docker project.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { api, build, close, compose, docker, image, logsOf, prepare, up } from './container-stack.mjs';
import { fail, root, run, seconds } from './setup.mjs';

const PATIENCE_MS = 180_000;
const SERVERS = ['postgres', 'temporal', 'api', 'worker'];
/** `worke[r]` does not match itself in the command line of this very shell. */
const SIGNAL_WORKER =
  'for p in /proc/[0-9]*; do grep -q dist/worke[r] "$p/cmdline" && kill -"$0" "${p#/proc/}"; done; true';

let id = '';
let total = '';

async function until(what, check) {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(500)) {
    if (await check().catch(() => false)) return;
  }
  throw new Error(`waited ${PATIENCE_MS / 1000} s in vain: ${what}`);
}

function expect(claim, isTrue, found) {
  if (!isTrue) throw new Error(`not true: ${claim}. Found: ${JSON.stringify(found)}`);
}

async function looksAtImage() {
  const { output: user } = await docker(['image', 'inspect', '--format', '{{.Config.User}}', image]);
  expect('the image has a user by number', user === '1000:1000', user);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const list = await docker(['run', '--rm', '--entrypoint', 'find', image, 'node_modules', '-name', 'package.json']);
  const held = list.output.split('\n').map((path) => path.replace(/\/package\.json$/, ''));
  const locked = Object.keys(lock).filter((path) => lock[path].dev || lock[path].devOptional);
  const named = Object.keys(devDependencies).map((path) => `node_modules/${path}`);
  const found = [...locked, ...named].filter((path) => held.includes(path));
  expect('the image holds no development package', held.length > 100 && found.length === 0, found);
}

async function connects() {
  let line;
  const isListening = async () => (line = (await logsOf('anthropic')).find((text) => text.startsWith('{"event"')));
  await until('the simulated Anthropic to listen', isListening);
  ({ id } = await api('POST', 'connections', { name: 'Check', admin_api_key: JSON.parse(line).admin_api_key }));
  await until('the connection to have all its days', async () => {
    const { status, missing_days } = await api('GET', `connections/${id}`);
    return status === 'active' && missing_days === 0;
  });
  ({ total } = await api('GET', 'costs'));
  expect('the organization has costs', Number(total) > 0, total);
}

/** Every part works if a new sync succeeds. Costs that were read before must still be there. */
async function syncs() {
  const before = (await api('GET', `connections/${id}`)).last_sync.n;
  await api('POST', `connections/${id}/sync`, {});
  await until('a sync to succeed', async () => {
    const { last_sync: last } = await api('GET', `connections/${id}`);
    return last.n > before && last.state === 'succeeded';
  });
  const now = (await api('GET', 'costs')).total;
  expect('no costs are lost', Number(now) >= Number(total), { before: total, now });
}

async function survives(server) {
  await compose(['kill', server]);
  if (server === 'temporal') {
    const tells = async () =>
      (await logsOf('worker')).some((line) => line.includes('waiting for Temporal at temporal:7233'));
    await until('the worker to say that it waits for Temporal', tells);
  }
  await up();
  await syncs();
}

async function freezes() {
  const isHealth = (wanted) => async () =>
    (await compose(['ps', '--format', '{{.Health}}', 'worker'])).output === wanted;
  const signal = (which) => compose(['exec', '--no-TTY', 'worker', 'sh', '-c', SIGNAL_WORKER, which]);
  await signal('STOP');
  await until('a frozen worker to be unhealthy', isHealth('unhealthy'));
  await signal('CONT');
  await until('it to be healthy again', isHealth('healthy'));
}

async function logs() {
  for (const service of ['api', 'worker', 'migrate']) {
    for (const line of await logsOf(service)) {
      const { role, time } = JSON.parse(line);
      expect('a line has a role and a time', role === service && new Date(time).toISOString() === time, line);
    }
  }
}

async function goesDownAndUp() {
  await compose(['down']);
  await up();
  await syncs();
}

/** Kills Postgres during its first set-up. After the next start it must have its role and its database. */
async function setsUpAgain() {
  await compose(['down', '--volumes']);
  await compose(['up', '--detach', 'postgres']);
  const hasBegun = [
    'exec',
    '--no-TTY',
    'postgres',
    'sh',
    '-c',
    'test -s "$PGDATA.new/PG_VERSION" || test -s "$PGDATA/PG_VERSION"',
  ];
  await until('the set-up to begin', async () => (await compose(hasBegun, { mayFail: true })).code === 0);
  await compose(['kill', 'postgres']);
  await up('migrate', 'api');
}

async function step(title, work) {
  const startedAt = Date.now();
  process.stderr.write(`${title} … `);
  await work();
  process.stderr.write(`${seconds(startedAt)}\n`);
}

const hasCompose = await run(['docker', 'compose', 'version']);
if (hasCompose.code !== 0) fail(`Docker with compose is missing here:\n${hasCompose.output}`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => close().finally(() => process.exit(1)));
try {
  await step('A copy with secrets of its own', prepare);
  await step('The image is built, once', build);
  await step('It holds no development package', looksAtImage);
  await step("The stack starts, whatever Docker's own proxy settings say", () => up());
  await step('An organization is connected', connects);
  for (const server of SERVERS) await step(`The stack survives a killed ${server}`, () => survives(server));
  await step('A frozen worker is noticed', freezes);
  await step('Every line of the logs has one form', logs);
  await step('The stack goes down and comes up again', goesDownAndUp);
  await step('Postgres is killed during its first set-up', setsUpAgain);
} catch (error) {
  process.stderr.write(`failed\n${error.message}\n`);
  process.exitCode = 1;
} finally {
  await close();
}
