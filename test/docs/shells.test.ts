import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { parseUrl } from '../../domain/url.ts';
import { CONNECT_COMMAND, definitions, exampleCommands } from '../../local/terminal/guide.ts';
import { DOCUMENTS, blocksOf, read, shellBlocksOf } from '../support/documents.ts';
import { TOKEN, TYPED, makeClone, paste, removeClones, type Clone, type Pasted, type Shell } from './paste.ts';

/**
 * People paste what documents and programs show into bash or zsh; in an interactive zsh, a `#` begins no comment. These
 * tests paste every block, with stubs in place of the programs that record how they were called.
 */
const HOSTS = ['127.0.0.1:8080', 'api.anthropic.com'];
/** The files that blocks may create or replace. */
const WRITABLE = [/^meterline-\d{4}-\d\d-\d\d\.dump$/, /^grafana-token$/, /^grafana-password$/];
const COMPLAINT =
  /not found|no matches|no such file|parse error|syntax error|bad (?:pattern|substitution)|event not found/i;

const hasZsh = spawnSync('zsh', ['-c', ':']).status === 0;
if (!hasZsh) process.stderr.write('zsh is not installed: the blocks of the documents are pasted into bash only.\n');
const shells: Shell[] = hasZsh ? ['bash', 'zsh'] : ['bash'];

afterAll(removeClones);

/** Pastes a text into a shell, after the lines that `npm start` prints. */
function pasteAfterStart(shell: Shell, text: string): Pasted {
  const clone = makeClone();
  return paste(shell, clone, [...definitions(reachableIn(clone)), 'ID=the-id', ...text.trimEnd().split('\n')]);
}

function reachableIn({ dataDir, project, tokenFile }: Clone): Parameters<typeof definitions>[0] {
  return {
    apiUrl: 'http://127.0.0.1:8080',
    dataDir,
    projectDir: project,
    tokenFile,
    postgres: '127.0.0.1:5433',
    temporal: true,
  };
}

/** The problems with a text that people paste. */
function problemsOf(text: string): string[] {
  const pasted = shells.map((shell) => ({ shell, ...pasteAfterStart(shell, text) }));
  const expected = spellCalls(pasted[0]?.calls ?? []);
  return pasted.flatMap(({ shell, status, errors, calls, changed }) => {
    const problems = [
      ...(status === 0 ? [] : [`exit status ${String(status)}`]),
      ...complaintsIn(errors),
      ...changed.filter((name) => !WRITABLE.some((writable) => writable.test(name))).map((name) => `changes ${name}`),
      ...addressesIn(calls)
        .filter((address) => !HOSTS.includes(hostOf(address)))
        .map((address) => `asks ${address}`),
      ...calls
        .flat()
        .filter((word) => isComment(word) || isExposed(word))
        .map((word) => `has the argument ${word}`),
      ...(spellCalls(calls) === expected ? [] : ['does not do the same as bash']),
    ];
    return problems.map((problem) => `${shell}: ${problem}`);
  });
}

/** The calls as one text. A pipe runs its programs in no certain order. */
function spellCalls(calls: readonly (readonly string[])[]): string {
  return calls
    .map((call) => call.join(' '))
    .sort()
    .join('\n');
}

function complaintsIn(errors: readonly string[]): string[] {
  return errors.filter((line) => COMPLAINT.test(line));
}

function isComment(word: string): boolean {
  return word.startsWith('#');
}

/** Whether an argument holds a secret. What a program read from a file or from standard input is no argument. */
function isExposed(word: string): boolean {
  return !word.startsWith('<') && [TYPED, TOKEN].some((secret) => word.includes(secret));
}

/** The arguments of curl that are neither options nor their values. */
function addressesIn(calls: readonly (readonly string[])[]): string[] {
  return calls
    .filter(([name]) => name === 'curl')
    .flatMap(([, ...args]) =>
      args.filter(
        (word, index) => !/^[-<]/.test(word) && !/^-(?:[HXow]|-data-binary|-noproxy)$/.test(args[index - 1] ?? ''),
      ),
    );
}

function hostOf(address: string): string {
  return parseUrl(address)?.host ?? address;
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
      const { calls } = pasteAfterStart(shell, connect?.text ?? '');
      expect(calls).toHaveLength(1);
      expect(calls[0]).toContain(`<authorization: Bearer ${TOKEN}>`);
      expect(calls[0]?.find((word) => word.startsWith('<{'))).toContain(TYPED);
    }
  });
});

describe('the lines that npm start and the demo print', () => {
  const reachable = reachableIn(makeClone());

  test('reach the API, Postgres and Temporal of the stack that printed them, whatever the name of its directory', () => {
    for (const shell of shells) {
      const { status, errors, calls } = pasteAfterStart(shell, exampleCommands(reachable).join('\n'));
      expect([status, complaintsIn(errors)]).toEqual([0, []]);
      const [api, postgres, temporal] = calls;
      expect(api).toEqual([
        ...['curl', '-sS', '--noproxy', '*', '-H', '@file', 'http://127.0.0.1:8080/v1/connections'],
        `<authorization: Bearer ${TOKEN}>`,
      ]);
      expect(postgres?.at(-1)).toBe('<127.0.0.1:5433 meterline meterline the-password>');
      expect(temporal?.slice(0, 2)).toEqual(['npm', '--prefix']);
      expect(temporal?.slice(-4)).toEqual(['temporal', '--', 'workflow', 'list']);
    }
    expect(problemsOf(CONNECT_COMMAND.join('\n'))).toEqual([]);
  });

  test('take the token and the database from the environment if the stack did, too', () => {
    const lines = definitions({ ...reachable, tokenFile: null, postgres: null });
    for (const shell of shells) {
      const { calls } = pasteAfterStart(
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
