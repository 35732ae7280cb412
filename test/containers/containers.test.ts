import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../config/config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const path = (name: string): string => join(root, name);
const read = (name: string): string => readFileSync(path(name), 'utf8');

const dependency = z.object({
  condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']),
});
const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  user: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), dependency).default({}),
  restart: z.string(),
  init: z.boolean().optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).default([]),
  cap_drop: z.array(z.string()).default([]),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  privileged: z.boolean().optional(),
});
const compose = z
  .object({
    services: z.record(z.string(), service),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read('docker-compose.yml'), { merge: true }));
const services = Object.entries(compose.services);
const OURS = ['api', 'migrate', 'worker'];

function serviceOf(name: string): z.output<typeof service> {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

const temporary: string[] = [];

afterAll(() => {
  for (const directory of temporary) rmSync(directory, { recursive: true });
});

function temporaryFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-containers-'));
  temporary.push(directory);
  return directory;
}

describe('the compose file', () => {
  test('has both servers, the migration, the API and a worker', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'api',
      'migrate',
      'postgres',
      'temporal',
      'temporal-retention',
      'worker',
    ]);
  });

  test('publishes on loopback only, and of Temporal the UI alone', () => {
    const ports = services.flatMap(([, { ports: published }]) => published);
    expect(ports.length).toBe(3);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(serviceOf('temporal').ports.join()).toMatch(/:8233$/);
  });

  test('holds no secret: each comes from a file that is not under version control', () => {
    for (const [, { environment }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/DATABASE_URL|PASSWORD|KEY|TOKEN/.test(name)) {
          expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\/run\/secrets\//)]);
        }
      }
    }
    for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/secrets\//);
    expect(read('.gitignore').split('\n')).toContain('secrets/');
  });

  test('gives a service only the secrets that it reads', () => {
    for (const [name, { environment, secrets }] of services) {
      const named = Object.values(environment).filter((value) => value.startsWith('/run/secrets/'));
      expect([name, named.sort()]).toEqual([name, secrets.map((secret) => `/run/secrets/${secret}`).sort()]);
      for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
    }
    expect(serviceOf('worker').secrets).not.toContain('api-token');
    expect(serviceOf('migrate').secrets).toEqual(['database-url']);
  });

  test('sets only variables that the configuration or the entrypoint knows', () => {
    const known = [...read('config/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): /gm)].map(([, name = '']) => name);
    const proxies = ['HTTPS_PROXY', 'NO_PROXY'];
    const fromFiles = filesOfEntrypoint();
    for (const name of OURS) {
      for (const variable of Object.keys(serviceOf(name).environment)) {
        const plain = variable.replace(/_FILE$/, '');
        expect(plain === variable ? [...known, ...proxies] : fromFiles).toContain(plain);
      }
    }
  });

  test('gives the API and the worker a configuration that is taken, whether or not the optional variables are set', () => {
    for (const name of ['api', 'worker']) {
      const { environment } = serviceOf(name);
      const plain = Object.entries(environment).filter(([variable]) => !variable.endsWith('_FILE'));
      const interpolated = plain.map(([variable, value]) => [variable, value.replace(/\$\{\w+:-(\w*)\}/g, '$1')]);
      expect(loadConfig(z.record(z.string(), z.string()).parse(Object.fromEntries(interpolated)))).toMatchObject({
        temporal: { address: 'temporal:7233', namespace: 'default' },
        anthropicBaseUrl: 'https://api.anthropic.com',
        port: 8080,
      });
    }
  });

  test('runs the API, the worker and the migration from one image that is built here', () => {
    const builds = OURS.map((name) => [serviceOf(name).image, serviceOf(name).build]);
    expect(new Set(builds.map((build) => build.join())).size).toBe(1);
    expect(builds[0]).toEqual(['meterline:local', '.']);
    for (const name of OURS) expect(serviceOf(name).init).toBe(true);
  });

  test('runs programs that the build makes', () => {
    for (const name of OURS) {
      const [program] = (serviceOf(name).command ?? ['dist/api/main.js']).filter((word) => word.startsWith('dist/'));
      const source = program?.replace(/^dist\//, '').replace(/\.js$/, '.ts') ?? '';
      expect([source, statSync(path(source)).isFile()]).toEqual([source, true]);
    }
  });

  test('keeps the data of both servers in volumes', () => {
    expect(Object.keys(compose.volumes).sort()).toEqual(['postgres-data', 'temporal-data']);
    expect(serviceOf('postgres').volumes).toEqual(['postgres-data:/var/lib/postgresql']);
    const { volumes, command = [] } = serviceOf('temporal');
    expect(volumes).toEqual(['temporal-data:/home/temporal']);
    expect(command).toContain('--db-filename=/home/temporal/temporal.db');
  });

  test.each(services)('gives %s no capability, no new privileges, and nothing to write to but its data', (_, each) => {
    expect(each).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      cap_add: [],
      security_opt: ['no-new-privileges:true'],
    });
    expect(each.tmpfs).toContain('/tmp');
    expect(each.privileged).toBeUndefined();
  });

  test('pins every image to a version', () => {
    for (const [, { image }] of services) expect(image).toMatch(/:(?!latest)[\w.-]+$/);
  });

  test('starts what others need first, and starts again what is to stay up', () => {
    expect(serviceOf('migrate').depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
    const both = {
      migrate: { condition: 'service_completed_successfully' },
      temporal: { condition: 'service_healthy' },
    };
    expect(serviceOf('api').depends_on).toEqual(both);
    // `docker compose up --wait` takes the end of a service as its success only where another one waits for that.
    expect(serviceOf('worker').depends_on).toEqual({
      ...both,
      'temporal-retention': { condition: 'service_completed_successfully' },
    });
    for (const [name, { restart, stop_grace_period: grace }] of services) {
      const once = name === 'migrate' || name === 'temporal-retention';
      expect([name, restart, grace === undefined]).toEqual([name, once ? 'no' : 'unless-stopped', once]);
    }
    for (const name of ['postgres', 'temporal', 'api']) expect(serviceOf(name).healthcheck).toBeDefined();
  });

  const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
  test.skipIf(!hasCompose)('is one that docker compose takes (skipped where it is not installed)', () => {
    execFileSync('docker', ['compose', '--file', path('docker-compose.yml'), 'config', '--quiet']);
  });
});

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

  test('runs the API, without root', () => {
    expect(last).toContain('USER node');
    expect(last.at(-2)).toBe('CMD ["node", "--enable-source-maps", "dist/api/main.js"]');
  });

  test('starts from a pinned Debian, since there is no Temporal for musl', () => {
    const bases = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1] ?? '');
    const stages = lines.flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? []);
    const images = bases.filter((base) => !stages.includes(base));
    expect(images).toEqual(['node:24-bookworm-slim']);
  });

  test('holds no development dependency, no source and no secret', () => {
    expect(lines.some((line) => line.includes('npm ci --omit=dev --ignore-scripts'))).toBe(true);
    expect(last.filter((line) => line.startsWith('COPY '))).toEqual([
      'COPY --from=build /app/docker/entrypoint.sh /usr/local/bin/meterline-entrypoint',
      'COPY --from=build /app/package.json ./',
      'COPY --from=packages /app/node_modules ./node_modules',
      'COPY --from=build /app/dist ./dist',
    ]);
    expect(lines.filter((line) => /^(?:ARG|ENV) /.test(line))).toEqual([
      'ENV NODE_ENV=production MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=4',
    ]);
  });

  test('lets its user read all of it, whatever umask the clone was made under', () => {
    const readable = lines.find((line) => line.includes('chmod -R a+rX'));
    const built = last.flatMap((line) => /^COPY --from=build \/app\/(\S+)/.exec(line)?.[1] ?? []);
    for (const name of built) expect([name, readable?.includes(` ${name}`)]).toEqual([name, true]);
    expect(last.some((line) => /^COPY (?!--from)/.test(line))).toBe(false);
  });

  test('is given nothing but what it needs: everything else is ignored first', () => {
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
});

function filesOfEntrypoint(): string[] {
  return /^for name in (.+); do$/m.exec(read('docker/entrypoint.sh'))?.[1]?.split(' ') ?? [];
}

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

  test('leaves variables as they are where no file is named', () => {
    const { stdout } = run({ DATABASE_URL: 'postgres://a', TEMPORAL_CONFIG_FILE: '/nowhere', LOG_LEVEL: '' });
    expect(environment(stdout)).toMatchObject({
      DATABASE_URL: 'postgres://a',
      TEMPORAL_CONFIG_FILE: '/nowhere',
      LOG_LEVEL: '',
    });
  });

  test('stops and says so where a file cannot be read', () => {
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

  test.skipIf(!hasOpenssl)('are made once, are taken, and are shut in a directory of their owner', () => {
    const directory = temporaryFolder();
    make(directory);
    const secret = (name: string): string => readFileSync(join(directory, 'secrets', name), 'utf8').trim();
    const all = (): string[] =>
      Object.values(compose.secrets).map(({ file }) => readFileSync(join(directory, file), 'utf8'));
    expect(statSync(join(directory, 'secrets')).mode & 0o777).toBe(0o700);
    const config = loadConfig({
      DATABASE_URL: secret('database-url'),
      METERLINE_ENCRYPTION_KEYS: secret('encryption-keys'),
      METERLINE_API_TOKEN: secret('api-token'),
    });
    expect(new URL(config.databaseUrl ?? '').password).toBe(secret('postgres-password'));
    expect(config.encryptionKeys[0]?.key.length).toBe(32);
    const first = all();
    expect(make(directory)).not.toContain('is made');
    expect(all()).toEqual(first);
  });
});
