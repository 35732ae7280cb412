import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isWholeToken } from '../../db/tokens/secret.ts';
import { loadConfig } from '../../config/config.ts';
import { OPTIONAL_FILES, compose, filesOfEntrypoint, path, read, serviceOf, temporaryFolder } from './support.ts';

describe('the first set-up of Postgres', () => {
  /** Runs the command of the container on a directory, with programs in the place of those of the image. */
  function setUp(pgdata: string, programs: string, ensure: string): { status: number | null; stderr: string } {
    mkdirSync(programs, { recursive: true });
    const program = (name: string, text: string): void => {
      writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    };
    program('docker-ensure-initdb.sh', ensure);
    program('docker-entrypoint.sh', 'test -e "$PGDATA/whole" && echo "serves $1" >&2');
    const { entrypoint, command = [] } = serviceOf('postgres');
    const [shell = '', ...rest] = [...entrypoint, ...command].map((word) => word.replaceAll('$$', '$'));
    return spawnSync(shell, rest, {
      env: { PATH: `${programs}:${process.env['PATH'] ?? ''}`, PGDATA: pgdata },
      // As in a container. From a socket, Debian's shell would read its startup files.
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
  }
  const WHOLE =
    'mkdir -p "$PGDATA" && test -z "$(ls -A "$PGDATA")" && echo 18 > "$PGDATA/PG_VERSION" && touch "$PGDATA/whole"';
  const KILLED = 'mkdir -p "$PGDATA" && echo 18 > "$PGDATA/PG_VERSION" && kill -KILL $PPID && sleep 1';

  test('begins anew after a kill in the middle, and happens once', () => {
    const [folder, programs] = [temporaryFolder(), temporaryFolder()];
    const pgdata = join(folder, '18/docker');
    expect(setUp(pgdata, programs, KILLED).status).toBeNull();
    expect(setUp(pgdata, programs, WHOLE)).toMatchObject({ status: 0, stderr: 'serves postgres\n' });
    writeFileSync(join(pgdata, 'data'), 'ours');
    expect(setUp(pgdata, programs, 'exit 1')).toMatchObject({ status: 0, stderr: 'serves postgres\n' });
    expect(readFileSync(join(pgdata, 'data'), 'utf8')).toBe('ours');
  });

  test('leaves no server behind when it fails, and says why', () => {
    const [folder, programs] = [temporaryFolder(), temporaryFolder()];
    const failed = setUp(join(folder, 'docker'), programs, 'echo "no room" >&2; exit 3');
    expect(failed).toMatchObject({ status: 3, stderr: 'no room\n' });
  });
});

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

  test('runs the API as a user by number, who is not root even for a reader without /etc/passwd', () => {
    expect(last).toContain('USER 1000:1000');
    expect(last.at(-2)).toBe('CMD ["node", "dist/api/main.js"]');
  });

  test('starts from a pinned Debian, because Temporal has no build for musl', () => {
    const bases = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1] ?? '');
    const stages = lines.flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? []);
    const images = bases.filter((base) => !stages.includes(base));
    expect(images).toEqual(['node:24-bookworm-slim']);
  });

  test('holds no development dependency, no source and no secret', () => {
    expect(lines.some((line) => line.includes('npm prune --omit=dev --omit=optional --ignore-scripts'))).toBe(true);
    expect(last.filter((line) => line.startsWith('COPY '))).toEqual([
      'COPY --from=build /app/docker/entrypoint.sh /usr/local/bin/meterline-entrypoint',
      'COPY --from=build /app/package.json ./',
      'COPY --from=packages /app/node_modules ./node_modules',
      'COPY --from=build /app/dist ./dist',
    ]);
    expect(lines.filter((line) => /^(?:ARG|ENV) /.test(line))).toEqual([
      'ENV NODE_ENV=production MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 NODE_OPTIONS=--max-semi-space-size=4',
    ]);
  });

  test("holds Node's certificate authorities where the clients of other languages look", () => {
    const [, script = '', path = ''] = /node --print "([^"]+)" > (\S+)/.exec(last.join('\n')) ?? [];
    expect(path).toBe('/etc/ssl/certs/ca-certificates.crt');
    const printed = execFileSync(process.execPath, ['--print', script], { encoding: 'utf8' });
    expect(printed.match(/-----BEGIN CERTIFICATE-----/g)?.length).toBe(rootCertificates.length);
  });

  test('installs packages with every secret that compose passes to it, and keeps none of them', () => {
    const installs = read('Dockerfile')
      .split(/\n(?! )/)
      .filter((step) => step.includes('npm ci'));
    expect(installs).toHaveLength(1);
    for (const id of serviceOf('migrate').build?.secrets ?? []) expect(installs[0]).toContain(`type=secret,id=${id}`);
    expect(lines.filter((line) => /^COPY .*(?:secrets|npmrc)/.test(line))).toEqual([
      'COPY package.json package-lock.json .npmrc ./',
    ]);
  });

  test('lets its user read all of it, whatever umask the clone was made under', () => {
    const readable = lines.find((line) => line.includes('chmod -R a+rX'));
    const built = last.flatMap((line) => /^COPY --from=build \/app\/(\S+)/.exec(line)?.[1] ?? []);
    for (const name of built) expect([name, readable?.includes(` ${name}`)]).toEqual([name, true]);
    expect(last.some((line) => /^COPY (?!--from)/.test(line))).toBe(false);
  });

  test('gets only the files that it needs: the ignore file excludes everything else first', () => {
    const [first, ...rest] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    for (const line of rest) {
      expect(line).toMatch(/^!/);
      expect(() => statSync(path(line.slice(1)))).not.toThrow();
    }
    expect(rest.join()).not.toMatch(/secrets|\.meterline|node_modules|\.git/);
  });

  test('gets every folder that is compiled, except for the benchmark', () => {
    const [, listed = ''] = /export const ROOMS = \[([\s\S]*?)\];/.exec(read('scripts/setup.mjs')) ?? [];
    const rooms = [...listed.matchAll(/'(\w+)'/g)].map(([, room = '']) => room).filter((room) => room !== 'bench');
    expect(rooms.length).toBeGreaterThan(5);
    const ignored = rooms.filter((room) => !read('.dockerignore').split('\n').includes(`!${room}/`));
    expect(ignored).toEqual([]);
  });
});

describe('the entrypoint', () => {
  const run = (env: Record<string, string>): { status: number | null; stdout: string; stderr: string } =>
    spawnSync('sh', [path('docker/entrypoint.sh'), process.execPath, '--print', 'JSON.stringify(process.env)'], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      encoding: 'utf8',
    });
  const environment = (stdout: string): Record<string, string> =>
    z.record(z.string(), z.string()).parse(JSON.parse(stdout));

  test('reads each secret from its file, without the line break at its end', () => {
    const directory = temporaryFolder();
    const odd = 'postgres://m:$(id)`id`"\'%20\\n*@host/db?a=b';
    for (const name of filesOfEntrypoint()) writeFileSync(join(directory, name), `${odd}${name}\n`);
    const files = filesOfEntrypoint().map((name) => [`${name}_FILE`, join(directory, name)]);
    const { status, stdout } = run(z.record(z.string(), z.string()).parse(Object.fromEntries(files)));
    expect(status).toBe(0);
    const seen = environment(stdout);
    for (const name of filesOfEntrypoint()) {
      expect([name, seen[name], seen[`${name}_FILE`]]).toEqual([name, `${odd}${name}`, undefined]);
    }
  });

  test('leaves a variable unchanged if no file is named for it', () => {
    const { stdout } = run({ DATABASE_URL: 'postgres://a', TEMPORAL_CONFIG_FILE: '/nowhere', LOG_LEVEL: '' });
    expect(environment(stdout)).toMatchObject({
      DATABASE_URL: 'postgres://a',
      TEMPORAL_CONFIG_FILE: '/nowhere',
      LOG_LEVEL: '',
    });
  });

  test('stops and says so if a file cannot be read', () => {
    const { status, stderr } = run({ METERLINE_API_TOKEN_FILE: '/nowhere' });
    expect(status).toBe(2);
    expect(stderr).toBe('METERLINE_API_TOKEN_FILE names /nowhere, which cannot be read.\n');
  });
});

describe('the secrets', () => {
  const make = (directory: string): string => {
    mkdirSync(join(directory, 'docker'), { recursive: true });
    const script = join(directory, 'docker/make-secrets.sh');
    writeFileSync(script, read('docker/make-secrets.sh'));
    return execFileSync('sh', [script], { encoding: 'utf8' });
  };
  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

  test.skipIf(!hasOpenssl)('are made once, are valid, and lie in a directory that only their owner can enter', () => {
    const directory = temporaryFolder();
    make(directory);
    const secret = (name: string): string => readFileSync(join(directory, 'secrets', name), 'utf8').trim();
    const all = (): string[] =>
      Object.entries(compose.secrets)
        .filter(([name]) => !(name in OPTIONAL_FILES))
        .map(([, { file }]) => readFileSync(join(directory, file), 'utf8'));
    expect(statSync(join(directory, 'secrets')).mode & 0o777).toBe(0o700);
    const config = loadConfig({
      DATABASE_URL: secret('database-url'),
      METERLINE_ENCRYPTION_KEYS: secret('encryption-keys'),
      METERLINE_API_TOKEN: secret('api-token'),
    });
    expect(new URL(config.databaseUrl ?? '').password).toBe(secret('postgres-password'));
    expect(config.encryptionKeys[0]?.key.length).toBe(32);
    expect(isWholeToken(secret('api-token'))).toBe(true);
    const first = all();
    expect(make(directory)).not.toContain('is made');
    expect(all()).toEqual(first);
  });
});
