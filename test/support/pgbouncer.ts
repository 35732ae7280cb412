import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anyFreePort, isListening } from '../../local/processes/ports.ts';
import { until } from './wait.ts';

/** A PgBouncer program of this machine. */
export interface Bouncer {
  readonly program: string;
  /** As it says itself, such as 1.18.0. */
  readonly version: string;
}

/** A PgBouncer that runs before the Postgres of this run. */
export interface RunningBouncer {
  /** The address of a database through it. */
  url(database: string): string;
  /** The same through its Unix socket. */
  socketUrl(database: string): string;
  /** What it wrote since its start. */
  log(): string;
  /** Ends it as SIGKILL does. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it, and removes what it left. */
  stop(): Promise<void>;
}

const NOBODY = 65_534;
const INSTALL = 'apt-get install --yes --no-install-recommends pgbouncer';

/**
 * The PgBouncers to try: that of the system, which is installed where this process is root on Debian, and those that
 * METERLINE_TEST_PGBOUNCERS names, with colons between. Empty where there is none.
 */
export function bouncers(): Bouncer[] {
  const named = (process.env['METERLINE_TEST_PGBOUNCERS'] ?? '').split(':').filter((program) => program !== '');
  if (versionOf('pgbouncer') === null && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('sh', ['-c', `${INSTALL} || { apt-get update && ${INSTALL}; }`], {
      env,
      stdio: 'ignore',
      timeout: 90_000,
    });
  }
  return ['pgbouncer', ...named].flatMap((program) => {
    const version = versionOf(program);
    return version === null ? [] : [{ program, version }];
  });
}

function versionOf(program: string): string | null {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return /PgBouncer (\S+)/.exec(stdout)?.[1] ?? null;
}

const started = new Set<RunningBouncer>();

/** Stops those that a test which failed left behind. For `afterAll`. */
export async function stopBouncers(): Promise<void> {
  for (const bouncer of started) await bouncer.stop();
}

/** Starts a PgBouncer before a server, with these settings beside those that it needs. */
export async function startBouncer(
  { program }: Bouncer,
  server: string,
  settings: Readonly<Record<string, string | number>>,
): Promise<RunningBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(server);
  const folder = mkdtempSync(join(tmpdir(), 'meterline-pgbouncer-'));
  const port = await anyFreePort();
  const [ini, users, log] = ['bouncer.ini', 'users.txt', 'bouncer.log'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: folder,
    auth_type: 'plain',
    auth_file: users,
    logfile: log,
    server_login_retry: 1,
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(ini, `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join('\n')}\n`);
  writeFileSync(users, `"${username}" "${decodeURIComponent(password)}"\n`);
  writeFileSync(log, '');
  const isRoot = process.getuid?.() === 0;
  // It refuses to be root.
  if (isRoot) for (const path of [folder, ini, users, log]) chownSync(path, NOBODY, NOBODY);
  chmodSync(folder, 0o755);

  let child: ChildProcess | null = null;
  const kill = async (): Promise<void> => {
    if (child?.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    child = null;
  };
  const start = async (): Promise<void> => {
    child = spawn(program, [ini], { stdio: 'ignore', ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}) });
    await until('PgBouncer to listen', () => isListening(port));
  };
  await start();
  const running: RunningBouncer = {
    url: (database) => {
      const url = new URL(server);
      url.host = `127.0.0.1:${port}`;
      url.pathname = `/${database}`;
      return url.href;
    },
    socketUrl: (database) => `postgres://${username}:${password}@/${database}?host=${folder}&port=${port}`,
    log: () => readFileSync(log, 'utf8'),
    kill,
    start,
    stop: async () => {
      started.delete(running);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  started.add(running);
  return running;
}
