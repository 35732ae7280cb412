import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StackError, isErrno, messageOf } from '../errors.ts';
import { runToEnd, type Finished } from '../processes/child.ts';

/** How to start a program of Postgres, which refuses to run as root. */
export interface Launcher {
  command(file: string, args: readonly string[]): [file: string, args: string[]];
  spawn: { uid?: number; gid?: number };
  /** Who must own its files; null if we do. */
  owner: Owner | null;
}

interface Owner {
  uid: number;
  gid: number;
}

const USER = 'postgres';
const PROBE_WITHIN_MS = 10_000;
const USER_COMMAND_WITHIN_MS = 10_000;
const ID_WITHIN_MS = 5_000;

/**
 * An ordinary user starts Postgres directly. Root starts it as the system user `postgres`. If the project or its data is
 * behind a directory that only root may enter, such as /root, that user keeps one of root's capabilities: the one to
 * pass through directories. Throws StackError if none of this works.
 */
export async function asPostgresUser(options: { executable: string; dataDir: string }): Promise<Launcher> {
  if (process.getuid?.() !== 0) return { command: (file, args) => [file, [...args]], spawn: {}, owner: null };
  const owner = await systemUser();
  const probe = mkdtempSync(join(options.dataDir, 'probe-'));
  try {
    giveTo(owner, probe);
    const problems: string[] = [];
    for (const { name, launcher } of launchersFor(owner)) {
      const problem = await problemWith(launcher, options.executable, probe);
      if (problem === null) return launcher;
      problems.push(`${name}: ${problem}`);
    }
    throw new StackError(explanation(options, owner, problems));
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

/** Throws StackError if this root lacks root's powers, as in a container without capabilities. */
function giveTo(owner: Owner, directory: string): void {
  try {
    chownSync(directory, owner.uid, owner.gid);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EINVAL')) throw error;
    throw new StackError(
      `Postgres refuses to run as root, and this root may not give files to its system user "${USER}" (${messageOf(error)}). ` +
        'Run as an ordinary user, or set DATABASE_URL to a Postgres of your own (15 or newer).',
    );
  }
}

/** From the least power to the most. Many containers lack the second capability and have the third. */
function launchersFor(owner: Owner): { name: string; launcher: Launcher }[] {
  return [
    { name: 'plain', launcher: { owner, spawn: owner, command: (file, args) => [file, [...args]] } },
    { name: 'setpriv with dac_read_search', launcher: withCapability(owner, 'dac_read_search') },
    { name: 'setpriv with dac_override', launcher: withCapability(owner, 'dac_override') },
  ];
}

function withCapability(owner: Owner, capability: string): Launcher {
  return {
    owner,
    spawn: {},
    command: (file, args) => [
      'setpriv',
      [
        `--reuid=${owner.uid}`,
        `--regid=${owner.gid}`,
        '--clear-groups',
        // Postgres checks its own files with access(2), which ignores the capability without this.
        '--securebits=+no_setuid_fixup',
        `--inh-caps=+${capability}`,
        `--ambient-caps=+${capability}`,
        file,
        ...args,
      ],
    ],
  };
}

/** Null if the launcher can run the program, and can enter and write the data directory. */
async function problemWith(launcher: Launcher, executable: string, directory: string): Promise<string | null> {
  const script = '"$1" --version && cd "$2" && : > "$2/written"';
  const [command, args] = launcher.command('/bin/sh', ['-c', script, 'sh', executable, directory]);
  try {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
    const result = await runToEnd(command, args, { ...launcher.spawn, cwd: '/', env, timeoutMs: PROBE_WITHIN_MS });
    const complains = /permission denied|invalid binary|cannot open/i.test(result.output);
    return result.code === 0 && !complains ? null : lastLineOf(result);
  } catch (error) {
    return messageOf(error);
  }
}

function lastLineOf({ output }: Finished): string {
  return output.split('\n').at(-1) ?? 'no output';
}

/** Commands that make the system user: those of most systems, then those of BusyBox. */
const USER_COMMANDS = [
  [
    ['groupadd', '--system', USER],
    ['useradd', '--system', '--gid', USER, '--no-create-home', '--shell', '/usr/sbin/nologin', USER],
  ],
  [
    ['addgroup', '-S', USER],
    ['adduser', '-S', '-D', '-H', '-G', USER, USER],
  ],
];

/** The system user, made if missing. Throws StackError if it cannot be made. */
async function systemUser(): Promise<Owner> {
  const existing = await lookUp();
  if (existing !== null) return existing;
  const problems: string[] = [];
  for (const commands of USER_COMMANDS) {
    for (const [command = '', ...args] of commands) {
      try {
        const result = await runToEnd(command, args, { timeoutMs: USER_COMMAND_WITHIN_MS });
        if (result.code !== 0) problems.push(`${command}: ${result.output}`);
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    const made = await lookUp();
    if (made !== null) return made;
  }
  throw new StackError(
    `Postgres refuses to run as root, and its system user "${USER}" could not be made (${problems.join('; ')}). ` +
      'Run as an ordinary user, or make that user.',
  );
}

async function lookUp(): Promise<Owner | null> {
  const env = { ...process.env, LC_ALL: 'C' };
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => {
      const { code, output } = await runToEnd('id', [flag, USER], { timeoutMs: ID_WITHIN_MS, env });
      return code === 0 && /^\d+$/.test(output) ? Number(output) : null;
    }),
  );
  return uid == null || gid == null ? null : { uid, gid };
}

function explanation(
  { executable, dataDir }: { executable: string; dataDir: string },
  owner: Owner,
  problems: readonly string[],
): string {
  const closed = firstClosedDirectory(dirname(executable), owner) ?? firstClosedDirectory(dataDir, owner);
  const obstacle =
    closed === null
      ? `cannot run ${executable} with its data in ${dataDir}`
      : `cannot pass through ${closed}, which only its owner may enter`;
  return [
    `Postgres refuses to run as root, and its system user "${USER}" ${obstacle}.`,
    `Open that directory (chmod o+x ${closed ?? dirname(executable)}), or move the project and METERLINE_DATA_DIR to`,
    'another place. Neither is needed if setpriv (package util-linux) can keep one capability. These ways failed:',
    ...problems.map((line) => `  ${line}`),
  ].join('\n');
}

/** The uppermost directory on the way to this one that a user may not enter. */
function firstClosedDirectory(directory: string, owner: Owner): string | null {
  const above = dirname(directory) === directory ? null : firstClosedDirectory(dirname(directory), owner);
  if (above !== null) return above;
  const { mode, uid, gid } = statSync(directory);
  const enter = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001;
  return (mode & enter) === 0 ? directory : null;
}
