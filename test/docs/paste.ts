import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';

const SHELLS = {
  bash: ['bash', '--noprofile', '--norc', '-s'],
  zsh: ['zsh', '-f', '-i', '-s'],
} as const;
export type Shell = keyof typeof SHELLS;

/** The API token in every clone. */
export const TOKEN = 'mtl_the-token-of-the-api';
/** What a person types when a pasted text reads from the terminal. */
export const TYPED = 'sk-ant-admin01-typed-by-a-person';

/** A stub that records its call replaces each of these programs. */
const STUBS = 'curl npm npx docker psql pg_dump pg_restore temporal kubectl ssh ss pgrep openssl sh systemctl'.split(
  ' ',
);
/** These programs only read, so the real ones run. */
const REAL = ['cat', 'sed', 'date', 'grep', 'ls'];

/** Records its name, its arguments, and what it reads from files and from standard input, between control characters. */
const STUB = `#!/bin/sh
said=$(printf '%s\\037' "\${0##*/}" "$@")
for word in "$@"; do
  case $word in
    @-) said="$said<$(cat)>$(printf '\\037')" ;;
    @*) said="$said<$(cat "\${word#@}")>$(printf '\\037')" ;;
  esac
done
case \${0##*/} in p[sg]*) said="$said<$PGHOST:$PGPORT $PGUSER $PGDATABASE $PGPASSWORD>" ;; esac
printf '%s\\036' "$said" >> "$RECORD"
case \${0##*/} in ss) echo 'pid=4711,' ;; *) echo 4711 ;; esac
`;
const END_OF_CALL = '\u001e';
const END_OF_WORD = '\u001f';

/** A folder that looks like a clone in which Meterline runs. */
export interface Clone {
  readonly folder: string;
  readonly project: string;
  readonly dataDir: string;
  readonly tokenFile: string;
}

const FILES = {
  '.meterline/api-token': TOKEN,
  '.meterline/postgres-password': 'the-password',
  '.meterline/encryption-keys': 'first:ring',
  'secrets/api-token': TOKEN,
  'api-token': TOKEN,
  'encryption-keys': 'first:ring',
  'grafana-token': 'old',
  'docker/make-secrets.sh': 'exit 1',
  // A text with the placeholder <ends> or <destroys> would read from these.
  ends: '',
  destroys: '',
};

const folders: string[] = [];

/** Makes a clone whose name must be quoted in a shell. */
export function makeClone(): Clone {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-shells-'));
  folders.push(folder);
  const project = join(folder, "it's here");
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), `${content}\n`);
  }
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of STUBS) {
    writeFileSync(join(bin, name), STUB);
    chmodSync(join(bin, name), 0o755);
  }
  for (const name of REAL) symlinkSync(pathOf(name), join(bin, name));
  symlinkSync(process.execPath, join(bin, 'node'));
  const dataDir = join(project, '.meterline');
  return { folder, project, dataDir, tokenFile: join(dataDir, 'api-token') };
}

export function removeClones(): void {
  for (const folder of folders) rmSync(folder, { recursive: true });
}

function pathOf(program: string): string {
  const found = (process.env['PATH'] ?? '').split(delimiter).find((directory) => existsSync(join(directory, program)));
  if (found === undefined) throw new Error(`${program} is not on the PATH.`);
  return join(found, program);
}

/** What a pasted text did. */
export interface Pasted {
  readonly status: number | null;
  /** What the shell wrote to standard error. */
  readonly errors: string[];
  /** Program and arguments of each call; in angle brackets, what it read from files and standard input. */
  readonly calls: string[][];
  /** The files that are new, gone or different, by their path in the project. */
  readonly changed: string[];
}

/** Pastes lines into a shell in a clone. */
export function paste(shell: Shell, { folder, project }: Clone, lines: readonly string[]): Pasted {
  const record = join(folder, 'record');
  writeFileSync(record, '');
  const before = filesOf(project);
  const typed = lines.some((line) => /\bread -/.test(line)) ? [TYPED] : [];
  const [command, ...args] = SHELLS[shell];
  const { status, stderr } = spawnSync(pathOf(command), args, {
    cwd: project,
    env: { PATH: join(folder, 'bin'), RECORD: record, HOME: folder, METERLINE_API_TOKEN: TOKEN, PS1: '', PS2: '' },
    input: [...lines, ...typed, ''].join('\n'),
    encoding: 'utf8',
    timeout: 120_000,
  });
  const after = filesOf(project);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return {
    status,
    errors: stderr.split('\n'),
    calls: readFileSync(record, 'utf8')
      .split(END_OF_CALL)
      .slice(0, -1)
      .map((call) => wordsOf(call, folder)),
    changed: names.filter((name) => before[name] !== after[name]).sort(),
  };
}

function wordsOf(call: string, folder: string): string[] {
  const words = call.split(END_OF_WORD).map((word) => word.replace(/^@\/.*/, '@file').replaceAll(folder, ''));
  return words.filter((word, index) => word !== '' || index < words.length - 1);
}

function filesOf(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [relative(directory, path), readFileSync(path, 'utf8')]));
}
