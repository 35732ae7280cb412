/** The stack of scripts/check-containers.mjs: docker-compose.yml in a copy of this clone, under its own project name. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

const name = `meterline-check-${process.pid}`;
export const image = `${name}:local`;
const directory = realpathSync(mkdtempSync(join(tmpdir(), 'meterline-containers-')));
const clone = join(directory, 'clone');
const overrides = join(directory, 'anthropic.yml');
// Proxies, and the settings of the user's own Meterline, must not reach this one.
const OTHERS = /^(?:METERLINE_(?!BUILD_)|TEMPORAL_|ANTHROPIC_|COMPOSE_|LOG_LEVEL$|.*_proxy$)/i;
const own = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !OTHERS.test(variable)));
const building = { ...own, COMPOSE_PROJECT_NAME: name, METERLINE_API_PORT: '0', METERLINE_TEMPORAL_UI_PORT: '0' };
const running = {
  ...building,
  DOCKER_CONFIG: join(directory, 'docker'),
  ANTHROPIC_BASE_URL: 'https://anthropic:8443',
  NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
};

/** The simulated Anthropic behind TLS, with a certificate authority made for this check. */
const FRONT = `
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync('/check/' + name));
createServer({ key, cert }, (near) => {
  const far = connect(9000, '127.0.0.1');
  for (const end of [near, far]) end.on('error', () => end.destroy());
  near.pipe(far).pipe(near);
}).listen(8443);
await import('/app/simulator/main.js');
`;
const ANTHROPIC = `
services:
  anthropic:
    image: ${image}
    pull_policy: never
    command: [node, /check/front.mjs, --port, '9000', --days, '40']
    volumes: ['${directory}:/check:ro', '${join(root, 'dist', 'simulator')}:/app/simulator:ro']
`;
const CERTIFICATES = `
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=check -keyout ca.key -out ca.pem
  openssl req -newkey rsa:2048 -nodes -subj /CN=anthropic -keyout key.pem -out request.pem
  echo subjectAltName=DNS:anthropic > names
  openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem
  chmod a+rx . && chmod a+r key.pem`;

export async function docker(args, { env = running, mayFail = false } = {}) {
  const { code, output } = await run(['docker', ...args], { env, cwd: clone });
  if (code !== 0 && !mayFail) throw new Error(`docker ${args.join(' ')} failed (${code}):\n${output.slice(-3000)}`);
  return { code, output };
}

export const compose = (args, options) =>
  docker(['compose', '--file', 'docker-compose.yml', '--file', overrides, ...args], options);
export const build = () => compose(['build'], { env: building });
export const up = (...services) => compose(['up', '--detach', '--wait', ...services]);
/** The log lines of services. Some releases of compose begin a line with an escape sequence, even without a terminal. */
export async function logsOf(...services) {
  const { output } = await compose(['logs', '--no-color', '--no-log-prefix', ...services]);
  return output.split('\n').map((line) => line.slice(Math.max(0, line.indexOf('{'))));
}

/** Calls the API of the stack with its admin token. */
export async function api(method, path, body) {
  const { output: address } = await compose(['port', 'api', '8080']);
  const token = readFileSync(join(clone, 'secrets', 'api-token'), 'utf8').trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const reply = await fetch(`http://${address}/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!reply.ok) throw new Error(`the API answered ${method} ${path} with ${reply.status}: ${await reply.text()}`);
  return reply.json();
}

/** Makes the copy, with its own secrets, image name and authority. Sets Docker's proxy to a host that does not exist. */
export async function prepare() {
  await setUp();
  const { output: files } = await run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const file of files.split('\0').filter(Boolean)) cpSync(join(root, file), join(clone, file));
  const yaml = join(clone, 'docker-compose.yml');
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replaceAll('meterline:local', image));
  writeFileSync(overrides, ANTHROPIC);
  writeFileSync(join(directory, 'front.mjs'), FRONT);
  const made = await run(['sh', '-euc', `${CERTIFICATES}\n sh clone/docker/make-secrets.sh`], { cwd: directory });
  if (made.code !== 0) throw new Error(`certificates and secrets cannot be made:\n${made.output}`);
  const plugins = join(process.env.DOCKER_CONFIG ?? join(homedir(), '.docker'), 'cli-plugins');
  mkdirSync(running.DOCKER_CONFIG);
  symlinkSync(plugins, join(running.DOCKER_CONFIG, 'cli-plugins'));
  const nowhere = { httpProxy: 'http://proxy.invalid:3128', httpsProxy: 'http://proxy.invalid:3128' };
  writeFileSync(join(running.DOCKER_CONFIG, 'config.json'), JSON.stringify({ proxies: { default: nowhere } }));
}

/** Removes containers, volumes, the image and the copy. */
export async function close() {
  await compose(['down', '--volumes', '--remove-orphans', '--timeout', '5'], { mayFail: true });
  await docker(['image', 'rm', '--force', image], { mayFail: true });
  rmSync(directory, { recursive: true, force: true });
}
