import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno, messageOf, runToEnd, type Finished } from '../processes/processes.ts';

/** How to start a Postgres program so that Postgres, which refuses to be root, accepts it. */
export interface Launcher {
  command(file: string, args: readonly string[]): [file: string, args: string[]];
  spawn: { uid?: number; gid?: number };
  /** Who must own its files; null when that is us. */
  owner: Owner | null;
}

interface Owner {
  uid: number;
  gid: number;
}

const USER = 'postgres';

/**
 * As an ordinary user there is nothing to do. As root, Postgres runs as the system user `postgres`, which may not be
 * able to reach the program or its data: a clone under /root or in a temporary folder lies behind a directory that
 * only root can enter. There it keeps, of all of root's powers, the one of passing through directories.
 */
export async function asPostgresUser(options: { executable: string; dataDir: string }): Promise<Launcher> {
  if (process.getuid?.() !== 0) return { command: (file, args) => [file, [...args]], spawn: {}, owner: null };
  const owner = await systemUser();
  const probe = mkdtempSync(join(options.dataDir, 'probe-'));
  try {
    giveTo(owner, probe);
    const tried: string[] = [];
    for (const { name, launcher } of launchers(owner)) {
      const failure = await failureOf(launcher, options.executable, probe);
      if (failure === null) return launcher;
      tried.push(`${name}: ${failure}`);
    }
    throw new Error(explain(options, owner, tried));
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

/** Throws where this root is one in name only, as in a container without capabilities. */
function giveTo(owner: Owner, directory: string): void {
  try {
    chownSync(directory, owner.uid, owner.gid);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EINVAL')) throw error;
    throw new Error(
      `Postgres refuses to run as root, and this root may not give files to its system user "${USER}" (${messageOf(error)}). ` +
        'Run as an ordinary user, or set DATABASE_URL to a Postgres of your own (15 or newer).',
    );
  }
}

/** From the least power to the most. Containers often lack the second and have the third. */
function launchers(owner: Owner): { name: string; launcher: Launcher }[] {
  const withCapability = (capability: string): Launcher => ({
    owner,
    spawn: {},
    command: (file, args) => [
      'setpriv',
      [
        `--reuid=${owner.uid}`,
        `--regid=${owner.gid}`,
        '--clear-groups',
        // Without this, access(2), with which Postgres looks at itself, ignores the capability.
        '--securebits=+no_setuid_fixup',
        `--inh-caps=+${capability}`,
        `--ambient-caps=+${capability}`,
        file,
        ...args,
      ],
    ],
  });
  return [
    { name: 'plain', launcher: { owner, spawn: owner, command: (file, args) => [file, [...args]] } },
    { name: 'setpriv with dac_read_search', launcher: withCapability('dac_read_search') },
    { name: 'setpriv with dac_override', launcher: withCapability('dac_override') },
  ];
}

/** Tries it for real: the program runs, and the data directory can be entered and written. */
async function failureOf(launcher: Launcher, executable: string, directory: string): Promise<string | null> {
  const script = '"$1" --version && cd "$2" && : > "$2/written"';
  const [command, args] = launcher.command('/bin/sh', ['-c', script, 'sh', executable, directory]);
  try {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
    const result = await runToEnd(command, args, { ...launcher.spawn, cwd: '/', env, timeoutMs: 10_000 });
    const complaint = /permission denied|invalid binary|cannot open/i.test(result.output);
    return result.code === 0 && !complaint ? null : lastLine(result);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function lastLine(result: Finished): string {
  return result.output.split('\n').at(-1) ?? 'no output';
}

async function systemUser(): Promise<Owner> {
  const known = await lookUp();
  if (known !== null) return known;
  const ways = [
    [
      ['groupadd', '--system', USER],
      ['useradd', '--system', '--gid', USER, '--no-create-home', '--shell', '/usr/sbin/nologin', USER],
    ],
    [
      ['addgroup', '-S', USER],
      ['adduser', '-S', '-D', '-H', '-G', USER, USER],
    ],
  ];
  const failures: string[] = [];
  for (const way of ways) {
    for (const [command = '', ...args] of way) {
      const result = await runToEnd(command, args, { timeoutMs: 10_000 }).catch((error: unknown) => String(error));
      if (typeof result === 'string') failures.push(result);
      else if (result.code !== 0) failures.push(`${command}: ${result.output}`);
    }
    const made = await lookUp();
    if (made !== null) return made;
  }
  throw new Error(
    `Postgres refuses to run as root, and its system user "${USER}" could not be made (${failures.join('; ')}). ` +
      'Run as an ordinary user, or make that user.',
  );
}

async function lookUp(): Promise<Owner | null> {
  const ids = await Promise.all(
    ['-u', '-g'].map((flag) => runToEnd('id', [flag, USER], { timeoutMs: 5000, env: { ...process.env, LC_ALL: 'C' } })),
  );
  const [uid, gid] = ids.map((result) => (result.code === 0 ? Number(result.output) : Number.NaN));
  return uid !== undefined && gid !== undefined && Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : null;
}

function explain(options: { executable: string; dataDir: string }, owner: Owner, tried: string[]): string {
  const closed = [options.executable, join(options.dataDir, 'x')]
    .map((path) => firstClosedDirectory(dirname(path), owner))
    .find((directory) => directory !== null);
  const where =
    closed === undefined
      ? `cannot run ${options.executable} with its data in ${options.dataDir}`
      : `cannot pass through ${closed}, which only its owner may enter`;
  return [
    `Postgres refuses to run as root, and its system user "${USER}" ${where}.`,
    `Either open that directory (chmod o+x ${closed ?? dirname(options.executable)}), or keep the project and`,
    'METERLINE_DATA_DIR outside of it. With setpriv (package util-linux) on a kernel that lets it keep one capability,',
    'neither is needed. Tried:',
    ...tried.map((line) => `  ${line}`),
  ].join('\n');
}

function firstClosedDirectory(directory: string, owner: Owner): string | null {
  const above = dirname(directory) === directory ? null : firstClosedDirectory(dirname(directory), owner);
  if (above !== null) return above;
  const { mode, uid, gid } = statSync(directory);
  const enter = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001;
  return (mode & enter) === 0 ? directory : null;
}
