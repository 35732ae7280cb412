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
import { CONNECT_COMMAND, definitions, exampleCommands } from '../../local/terminal/guide.ts';

/**
 * People paste what documents and programs show, into bash or into zsh, where a `#` behind a command begins no comment.
 * Here every block is pasted, before programs that only write down what they were asked to do.
 */
const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTS = ['README.md', 'SECURITY.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
);
const SHELL = /^(?:sh|bash|zsh|shell|console)$/;
const SHELLS = {
  bash: ['bash', '--noprofile', '--norc', '-s'],
  zsh: ['zsh', '-f', '-i', '-s'],
} as const;
type Shell = keyof typeof SHELLS;
/** They are asked, and do nothing. */
const STUBS = 'curl npm npx docker psql pg_dump pg_restore temporal kubectl ssh ss pgrep openssl sh systemctl'.split(
  ' ',
);
/** They only read. */
const REAL = ['cat', 'sed', 'date', 'grep', 'ls'];
const HOSTS = ['127.0.0.1:8080', 'api.anthropic.com'];
const TYPED = 'sk-ant-admin01-typed-by-a-person';
const TOKEN = 'mtl_the-token-of-the-api';
/** What blocks may make or replace. */
const MEANT = [/^meterline-\d{4}-\d\d-\d\d\.dump$/, /^grafana-token$/];
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

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a text; one in a list without the list's indentation. */
function blocksOf(text: string): Block[] {
  const found = text.matchAll(/^( *)```(\S*)\n([\s\S]*?)^\1```$/gm);
  return [...found].map(([, indent = '', language = '', body = '']) => ({
    language,
    text: body.replace(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

interface Pasted {
  readonly status: number | null;
  readonly complaints: string[];
  /** Program, arguments, and in angle brackets what it read from files and standard input. */
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

/** A folder like a clone in which Meterline runs, with a name that has to be quoted. */
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
    'ring-keys': 'first:ring',
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

/** Pastes a text into a shell in which the lines that `npm start` prints were pasted before. */
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

/** The words of a call of curl that are neither options nor their values. */
function addressesOf([, ...args]: readonly string[]): string[] {
  return args.filter(
    (word, index) => !/^[-<]/.test(word) && !/^-(?:[HXow]|-data-binary|-noproxy)$/.test(args[index - 1] ?? ''),
  );
}

/** What is wrong with a text that people paste; empty when nothing is. */
function faultsOf(text: string): string[] {
  const pasted = shells.map((shell) => ({ shell, ...paste(shell, text) }));
  const first = pasted[0]?.calls.map((call) => call.join(' ')) ?? [];
  return pasted.flatMap(({ shell, status, complaints, calls, changed }) => {
    const said = calls.map((call) => call.join(' '));
    const addresses = calls.filter(([name]) => name === 'curl').flatMap(addressesOf);
    return [
      ...(status === 0 ? [] : [`${shell}: exit status ${String(status)}`]),
      ...complaints.map((line) => `${shell}: ${line}`),
      ...changed.filter((name) => !MEANT.some((meant) => meant.test(name))).map((name) => `${shell}: changes ${name}`),
      ...addresses.filter((address) => !HOSTS.includes(hostOf(address))).map((address) => `${shell}: asks ${address}`),
      ...calls
        .flat()
        .filter(
          (word) =>
            word.startsWith('#') || (!word.startsWith('<') && [TYPED, TOKEN].some((secret) => word.includes(secret))),
        )
        .map((word) => `${shell}: has the argument ${word}`),
      ...(said.sort().join('\n') === first.sort().join('\n') ? [] : [`${shell}: does something else than bash`]),
    ];
  });
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}

/** Comments of any kind, found without any shell: a `#` that begins a word outside of quotes. */
function commentsOf(text: string): string[] {
  const bare = text.replace(/'[^']*'|"(?:\\.|[^"\\])*"/g, (quoted) => quoted.replaceAll('#', '_'));
  return bare.split('\n').filter((line) => /(?:^|[\s;&|(])#/.test(line));
}

const documented = DOCUMENTS.flatMap((document) =>
  blocksOf(readFileSync(join(ROOT, document), 'utf8'))
    .filter(({ language }) => SHELL.test(language))
    .map(({ text }, index) => ({ where: `${document}, block ${index + 1}`, text })),
);

describe('a block of commands in the documents', () => {
  test('says which language it is in, as every block does', () => {
    for (const document of DOCUMENTS) {
      const untold = blocksOf(readFileSync(join(ROOT, document), 'utf8')).filter(({ language }) => language === '');
      expect([document, untold]).toEqual([document, []]);
    }
    expect(documented.length).toBeGreaterThan(20);
  });

  test.each(documented)('$where: does in bash and zsh what it shows, and nothing else', ({ text }) => {
    expect(commentsOf(text)).toEqual([]);
    expect(faultsOf(text)).toEqual([]);
  });

  test('gives the token and the key to the API, and neither of them in an argument', () => {
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

  test('reach the API, Postgres and Temporal of the stack that printed them, whatever its directory is called', () => {
    for (const shell of shells) {
      const { status, complaints, calls } = paste(shell, exampleCommands(reachable).join('\n'));
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
    expect(faultsOf(CONNECT_COMMAND.join('\n'))).toEqual([]);
  });

  test('take the token and the database from the environment where they came from there', () => {
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

describe('a text that does something else than it shows', () => {
  test.skipIf(!hasZsh).each([
    ['a comment whose words are hosts', 'api -X DELETE "$METERLINE/v1/connections/$ID"  # ends it'],
    ['a comment that redirects into a file', 'export KEYS="$(cat ring-keys)"  # made by: x > ring-keys'],
    ['a comment on a line of its own', '# Watch it\napi "$METERLINE/v1/connections"'],
    ['a pattern that matches nothing', 'api $METERLINE/v1/costs?group_by=model'],
  ])('is found in zsh: %s', (_, text) => {
    expect(faultsOf(text).join('\n')).toContain('zsh: ');
  });

  test.each([
    ['a placeholder in angle brackets', 'npm run tokens -- revoke <id>', 'syntax error'],
    [
      'one that makes a file',
      'temporal workflow signal --workflow-id connection-<ends> --name syncNow',
      'changes --name',
    ],
    ['a file that is written over', 'npm run --silent keys -- new > ring-keys', 'changes ring-keys'],
    ['another host', 'api http://example.com/v1/connections', 'asks http://example.com'],
    ['a key in an argument', `api "$METERLINE/v1/connections" -H 'x: ${TYPED}'`, 'has the argument'],
    ['a command that is not there', 'jq . ring-keys', 'not found'],
  ])('is found in any shell: %s', (_, text, fault) => {
    expect(faultsOf(text).join('\n')).toContain(fault);
  });

  test('is found without any shell, too: a comment, but not what only looks like one', () => {
    expect(commentsOf('npm start # here\n  # there\necho "# no" \'# no\' a#b $#')).toHaveLength(2);
  });
});
