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
import { afterAll, describe, expect, test } from 'vitest';
import { CONNECTING, definitions, firstQuestions } from '../../local/guide.ts';
import { DOCUMENTS, blocksOf, read, shellBlocksOf } from './markdown.ts';

/**
 * People paste what documents and programs show into bash or zsh; in an interactive zsh, a `#` begins no comment. These
 * tests paste every block, with stubs in place of the programs that record how they were called.
 */
const SHELLS = {
  bash: ['bash', '--noprofile', '--norc', '-s'],
  zsh: ['zsh', '-f', '-i', '-s'],
} as const;
type Shell = keyof typeof SHELLS;
/** Replaced by a stub that records its call. */
const STUBS = 'curl npm npx docker psql pg_dump pg_restore temporal kubectl ssh ss pgrep openssl sh systemctl'.split(
  ' ',
);
/** These only read, so the real ones run. */
const REAL = ['cat', 'sed', 'date', 'grep', 'ls'];
const HOSTS = ['127.0.0.1:8080', 'api.anthropic.com'];
const TYPED = 'sk-ant-admin01-typed-by-a-person';
const TOKEN = 'mtl_the-token-of-the-api';
/** The files that blocks may create or replace. */
const WRITABLE = [/^meterline-\d{4}-\d\d-\d\d\.dump$/, /^grafana-token$/];
const COMPLAINT =
  /not found|no matches|no such file|parse error|syntax error|bad (?:pattern|substitution)|event not found/i;

const has = (program: string): boolean => spawnSync(program, ['-c', ':']).status === 0;
const hasZsh = has('zsh');
if (!hasZsh) process.stderr.write('zsh is not installed: the blocks of the documents are pasted into bash only.\n');
const shells: Shell[] = hasZsh ? ['bash', 'zsh'] : ['bash'];

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface Pasted {
  readonly status: number | null;
  readonly complaints: string[];
  /** Program and arguments; in angle brackets, what it read from files and standard input. */
  readonly calls: string[][];
  readonly changed: string[];
}

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

/** A folder like a clone in which Meterline runs. Its name must be quoted in a shell. */
function clone(): { folder: string; project: string; reachable: Parameters<typeof definitions>[0] } {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-shells-'));
  folders.push(folder);
  const project = join(folder, "it's here");
  const dataDir = join(project, '.meterline');
  const files = {
    '.meterline/api-token': TOKEN,
    '.meterline/postgres-password': 'the-password',
    '.meterline/encryption-keys': 'first:ring',
    'secrets/api-token': TOKEN,
    'api-token': TOKEN,
    'encryption-keys': 'first:ring',
    'grafana-token': 'old',
    'docker/make-secrets.sh': 'exit 1',
    ...{ ends: '', destroys: '' },
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), `${content}\n`);
  }
  mkdirSync(join(folder, 'bin'));
  for (const name of STUBS) {
    writeFileSync(join(folder, 'bin', name), STUB);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  for (const name of REAL) symlinkSync(pathOf(name), join(folder, 'bin', name));
  symlinkSync(process.execPath, join(folder, 'bin', 'node'));
  const reachable = {
    ...{ apiUrl: 'http://127.0.0.1:8080', dataDir, projectDir: project, tokenFile: join(dataDir, 'api-token') },
    ...{ postgres: '127.0.0.1:5433', temporal: true },
  };
  return { folder, project, reachable };
}

function pathOf(program: string): string {
  const found = (process.env['PATH'] ?? '').split(delimiter).find((directory) => existsSync(join(directory, program)));
  if (found === undefined) throw new Error(`${program} is not on the PATH.`);
  return join(found, program);
}

/** Pastes a text into a shell, after the lines that `npm start` prints. */
function paste(shell: Shell, text: string): Pasted {
  const { folder, project, reachable } = clone();
  const record = join(folder, 'record');
  writeFileSync(record, '');
  const before = filesOf(project);
  const input = [...definitions(reachable), 'ID=the-id', text.trimEnd(), ...(/\bread -/.test(text) ? [TYPED] : []), ''];
  const [command, ...args] = SHELLS[shell];
  const { status, stderr } = spawnSync(pathOf(command), args, {
    cwd: project,
    env: { PATH: join(folder, 'bin'), RECORD: record, HOME: folder, METERLINE_API_TOKEN: TOKEN, PS1: '', PS2: '' },
    input: input.join('\n'),
    encoding: 'utf8',
    timeout: 30_000,
  });
  const after = filesOf(project);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return {
    status,
    complaints: stderr.split('\n').filter((line) => COMPLAINT.test(line)),
    calls: readFileSync(record, 'utf8')
      .split('\u001e')
      .slice(0, -1)
      .map((call) => call.split('\u001f').map((word) => word.replace(/^@\/.*/, '@file').replaceAll(folder, '')))
      .map((call) => call.filter((word, index) => word !== '' || index < call.length - 1)),
    changed: names.filter((name) => before[name] !== after[name]).sort(),
  };
}

function filesOf(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [relative(directory, path), readFileSync(path, 'utf8')]));
}

/** The arguments of a curl call that are neither options nor their values. */
function addressesOf([, ...args]: readonly string[]): string[] {
  return args.filter(
    (word, index) => !/^[-<]/.test(word) && !/^-(?:[HXow]|-data-binary|-noproxy)$/.test(args[index - 1] ?? ''),
  );
}

/** The problems with a text that people paste. */
function problemsOf(text: string): string[] {
  const pasted = shells.map((shell) => ({ shell, ...paste(shell, text) }));
  const first = pasted[0]?.calls.map((call) => call.join(' ')) ?? [];
  return pasted.flatMap(({ shell, status, complaints, calls, changed }) => {
    const said = calls.map((call) => call.join(' '));
    const addresses = calls.filter(([name]) => name === 'curl').flatMap(addressesOf);
    return [
      ...(status === 0 ? [] : [`${shell}: exit status ${String(status)}`]),
      ...complaints.map((line) => `${shell}: ${line}`),
      ...changed
        .filter((name) => !WRITABLE.some((writable) => writable.test(name)))
        .map((name) => `${shell}: changes ${name}`),
      ...addresses.filter((address) => !HOSTS.includes(hostOf(address))).map((address) => `${shell}: asks ${address}`),
      ...calls
        .flat()
        .filter(
          (word) =>
            word.startsWith('#') || (!word.startsWith('<') && [TYPED, TOKEN].some((secret) => word.includes(secret))),
        )
        .map((word) => `${shell}: has the argument ${word}`),
      ...(said.sort().join('\n') === first.sort().join('\n') ? [] : [`${shell}: does not do the same as bash`]),
    ];
  });
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}

/** The lines with a comment: a `#` that begins a word outside of quotes. */
function commentsOf(text: string): string[] {
  const bare = text.replace(/'[^']*'|"(?:\\.|[^"\\])*"/g, (quoted) => quoted.replaceAll('#', '_'));
  return bare.split('\n').filter((line) => /(?:^|[\s;&|(])#/.test(line));
}

const documented = DOCUMENTS.flatMap((document) =>
  shellBlocksOf(document).map((text, index) => ({ where: `${document}, block ${index + 1}`, text })),
);

describe('a block of commands in the documents', () => {
  test('names its language, as every block does', () => {
    for (const document of DOCUMENTS) {
      const unnamed = blocksOf(read(document)).filter(({ language }) => language === '');
      expect([document, unnamed]).toEqual([document, []]);
    }
    expect(documented.length).toBeGreaterThan(20);
  });

  test.each(documented)('$where: does what it shows in bash and zsh, and nothing else', ({ text }) => {
    expect(commentsOf(text)).toEqual([]);
    expect(problemsOf(text)).toEqual([]);
  });

  test('sends the token and the key to the API, and puts neither into an argument', () => {
    const connect = documented.find(({ text }) => text.startsWith('read -rs KEY') && text.includes('/v1/connections"'));
    for (const shell of shells) {
      const { calls } = paste(shell, connect?.text ?? '');
      expect(calls).toHaveLength(1);
      expect(calls[0]).toContain(`<authorization: Bearer ${TOKEN}>`);
      expect(calls[0]?.find((word) => word.startsWith('<{'))).toContain(TYPED);
    }
  });
});

describe('the lines that npm start and the demo print', () => {
  const { reachable } = clone();

  test('reach the API, Postgres and Temporal of the stack that printed them, whatever the name of its directory', () => {
    for (const shell of shells) {
      const { status, complaints, calls } = paste(shell, firstQuestions(reachable).join('\n'));
      expect([status, complaints]).toEqual([0, []]);
      const [api, postgres, temporal] = calls;
      expect(api).toEqual([
        ...['curl', '-sS', '--noproxy', '*', '-H', '@file', 'http://127.0.0.1:8080/v1/connections'],
        `<authorization: Bearer ${TOKEN}>`,
      ]);
      expect(postgres?.at(-1)).toBe('<127.0.0.1:5433 meterline meterline the-password>');
      expect(temporal?.slice(0, 2)).toEqual(['npm', '--prefix']);
      expect(temporal?.slice(-4)).toEqual(['temporal', '--', 'workflow', 'list']);
    }
    expect(problemsOf(CONNECTING.join('\n'))).toEqual([]);
  });

  test('take the token and the database from the environment if the stack did, too', () => {
    const lines = definitions({ ...reachable, tokenFile: null, postgres: null });
    for (const shell of shells) {
      const { calls } = paste(
        shell,
        [...lines, 'export DATABASE_URL=postgres://there/db', 'api "$METERLINE/x"', 'pg psql'].join('\n'),
      );
      expect(calls[0]?.at(-1)).toBe(`<authorization: Bearer ${TOKEN}>`);
      expect(calls[1]?.at(-1)).toContain('postgres://there/db');
    }
  });
});

describe('a text that does not do what it shows', () => {
  test.skipIf(!hasZsh).each([
    ['a comment whose words are hosts', 'api -X DELETE "$METERLINE/v1/connections/$ID"  # ends it'],
    ['a comment that redirects into a file', 'export KEYS="$(cat encryption-keys)"  # made by: x > encryption-keys'],
    ['a comment on a line of its own', '# Watch it\napi "$METERLINE/v1/connections"'],
    ['a pattern that matches nothing', 'api $METERLINE/v1/costs?group_by=model'],
  ])('is found in zsh: %s', (_, text) => {
    expect(problemsOf(text).join('\n')).toContain('zsh: ');
  });

  test.each([
    ['a placeholder in angle brackets', 'npm run tokens -- revoke <id>', 'syntax error'],
    [
      'a placeholder that creates a file',
      'temporal workflow signal --workflow-id connection-<ends> --name syncNow',
      'changes --name',
    ],
    ['a file that it overwrites', 'npm run --silent keys -- new > encryption-keys', 'changes encryption-keys'],
    ['another host', 'api http://example.com/v1/connections', 'asks http://example.com'],
    ['a key in an argument', `api "$METERLINE/v1/connections" -H 'x: ${TYPED}'`, 'has the argument'],
    ['a command that does not exist', 'jq . encryption-keys', 'not found'],
  ])('is found in any shell: %s', (_, text, problem) => {
    expect(problemsOf(text).join('\n')).toContain(problem);
  });

  test('is also found without a shell: a comment, but not what only looks like one', () => {
    expect(commentsOf('npm start # here\n  # there\necho "# no" \'# no\' a#b $#')).toHaveLength(2);
  });
});
