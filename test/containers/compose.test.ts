import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../config/config.ts';
import { variables } from '../../config/variables.ts';
import {
  OPTIONAL_FILES,
  OURS,
  compose,
  environmentOf,
  filesOfEntrypoint,
  interpolated,
  path,
  read,
  serviceOf,
  services,
} from './support.ts';

describe('the compose file', () => {
  test('has both servers, the migration, the API and a worker', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'api',
      'migrate',
      'postgres',
      'temporal',
      'temporal-data',
      'temporal-retention',
      'worker',
    ]);
  });

  test('publishes on loopback only, of Temporal the UI alone, and Postgres where it is asked for', () => {
    const published = services.filter(([, { ports }]) => ports.length > 0).map(([name, { ports }]) => [name, ports]);
    expect(published).toEqual([
      ['temporal', ['127.0.0.1:${METERLINE_TEMPORAL_UI_PORT:-8233}:8233']],
      ['api', ['127.0.0.1:${METERLINE_API_PORT:-8080}:8080']],
    ]);
    expect(parse(read('docker/publish-postgres.yml'))).toEqual({
      services: { postgres: { ports: ['127.0.0.1:${METERLINE_POSTGRES_PORT:-5432}:5432'] } },
    });
  });

  test.each(Object.keys(compose.services))("keeps Docker's own proxy settings away from %s", (name) => {
    const seen = environmentOf(name);
    if (name !== 'worker') expect([seen['NO_PROXY'], seen['no_proxy']]).toEqual(['*', '*']);
    else {
      for (const variable of ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']) {
        expect([variable, seen[variable]]).toEqual([variable, '']);
      }
    }
  });

  test.each(['HTTPS_PROXY', 'https_proxy'])('gives the proxy that %s names to the worker alone', (given) => {
    const env = { [given]: 'http://proxy:3128', NO_PROXY: 'gateway.example' };
    expect(environmentOf('worker', env)).toMatchObject({
      HTTPS_PROXY: 'http://proxy:3128',
      https_proxy: 'http://proxy:3128',
      NO_PROXY: 'gateway.example',
      no_proxy: 'gateway.example',
    });
    for (const name of ['api', 'migrate']) expect(environmentOf(name, env)['no_proxy']).toBe('*');
  });

  test('passes on every setting that the API and the worker read', () => {
    const both = [
      'METERLINE_TASK_QUEUE',
      'METERLINE_SYNC_HOUR_UTC',
      'METERLINE_PUBLIC_URL',
      'METERLINE_NOTIFY_ALLOW',
      'LOG_LEVEL',
    ];
    const read = {
      api: [...both, 'METERLINE_TRUST_PROXY'],
      worker: [
        ...both,
        'ANTHROPIC_BASE_URL',
        'METERLINE_RESTATEMENT_DAYS',
        'METERLINE_MAX_REPLY_MB',
        'METERLINE_MAIL_FROM',
        'HTTPS_PROXY',
      ],
    };
    for (const [name, variables] of Object.entries(read)) {
      for (const variable of variables) {
        expect([name, variable, environmentOf(name, { [variable]: 'set' })[variable]]).toEqual([name, variable, 'set']);
      }
    }
  });

  test('passes a file of certificate authorities to the programs and to the build, if one is named', () => {
    for (const name of OURS) {
      expect(serviceOf(name).secrets).toContain('extra-ca');
      expect(environmentOf(name)['NODE_EXTRA_CA_CERTS']).toBe('');
      expect(environmentOf(name, { NODE_EXTRA_CA_CERTS: './ca.pem' })['NODE_EXTRA_CA_CERTS']).toBe(
        '/run/secrets/extra-ca',
      );
    }
    expect(interpolated(compose.secrets['extra-ca']?.file ?? '', { NODE_EXTRA_CA_CERTS: './ca.pem' })).toBe('./ca.pem');
    const secrets = [...read('Dockerfile').matchAll(/--mount=type=secret,id=([\w-]+)/g)].map(([, id]) => id);
    expect(secrets.sort()).toEqual(serviceOf('migrate').build?.secrets.sort());
  });

  test('holds no secret: each comes from a file that is not under version control', () => {
    for (const [, { environment }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/DATABASE_URL|SMTP_URL|HEARTBEAT_URL|PASSWORD|KEY|TOKEN/.test(name)) {
          expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\/run\/secrets\//)]);
        }
      }
    }
    for (const [name, { file }] of Object.entries(compose.secrets)) {
      expect([name, file]).toEqual([name, OPTIONAL_FILES[name] ?? `./secrets/${name}`]);
    }
    expect(read('.gitignore').split('\n')).toContain('secrets/');
  });

  test('gives a service only the secrets that it reads', () => {
    for (const [name, { environment, secrets }] of services) {
      const named = Object.values(environment).flatMap((value) => /\/run\/secrets\/([\w-]+)/.exec(value)?.[1] ?? []);
      expect([name, named.sort()]).toEqual([name, [...secrets].sort()]);
      for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
    }
    expect(serviceOf('worker').secrets).not.toContain('api-token');
    expect(serviceOf('migrate').secrets).toEqual(['database-url', 'extra-ca']);
  });

  test('sets only variables that the configuration or the entrypoint knows', () => {
    const known = Object.keys(variables.shape);
    // Node reads it.
    const others = ['NODE_EXTRA_CA_CERTS'];
    const fromFiles = filesOfEntrypoint();
    for (const name of OURS) {
      for (const variable of Object.keys(serviceOf(name).environment)) {
        const plain = variable.replace(/_FILE$/, '');
        expect(plain === variable ? [...known, ...others] : fromFiles).toContain(plain);
      }
    }
  });

  test('gives the API and the worker a valid configuration, whether or not the optional variables are set', () => {
    for (const name of ['api', 'worker']) {
      const { environment } = serviceOf(name);
      const plain = Object.entries(environment).filter(([variable]) => !variable.endsWith('_FILE'));
      const made = Object.fromEntries(plain.map(([variable, value]) => [variable, interpolated(value)] as const));
      expect(loadConfig(made)).toMatchObject({
        temporal: { address: 'temporal:7233', namespace: 'default' },
        anthropicBaseUrl: 'https://api.anthropic.com',
        port: 8080,
      });
    }
  });

  test('runs the API, the worker and the migration from one image that is built here', () => {
    for (const name of OURS) {
      expect(serviceOf(name)).toMatchObject({ image: 'meterline:local', init: true, pull_policy: 'never' });
    }
    // By one service: with two, an image store that keeps a name once fails the second one.
    expect(services.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['migrate']);
    expect(serviceOf('migrate').build?.context).toBe('.');
    for (const name of ['api', 'worker']) expect(serviceOf(name).depends_on).toHaveProperty('migrate');
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
    // A new volume belongs to root, unless a directory of user 1000 is the first that it is mounted over.
    expect(serviceOf('temporal').user).toBe('1000:1000');
    expect(serviceOf('temporal-data').volumes).toEqual(['temporal-data:/home/node']);
    expect(serviceOf('temporal').depends_on).toEqual({
      'temporal-data': { condition: 'service_completed_successfully' },
    });
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

  test('starts services in the order of their needs, and restarts those that must stay up', () => {
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
      const once = ['migrate', 'temporal-data', 'temporal-retention'].includes(name);
      expect([name, restart, grace === undefined]).toEqual([name, once ? 'no' : 'unless-stopped', once]);
    }
    for (const [name, { healthcheck, restart }] of services) {
      expect([name, healthcheck !== undefined]).toEqual([name, restart !== 'no']);
    }
  });

  test('asks the API and the worker whether they serve, not whether Postgres and Temporal do', () => {
    const asked = ['api', 'worker'].map(
      (name) => /http:\S+?'/.exec(serviceOf(name).healthcheck?.test.at(-1) ?? '')?.[0],
    );
    const { PORT } = serviceOf('api').environment;
    const { METERLINE_WORKER_HEALTH_PORT: health } = serviceOf('worker').environment;
    expect(asked).toEqual([`http://127.0.0.1:${PORT}/healthz'`, `http://127.0.0.1:${health}/healthz'`]);
  });

  test('counts Postgres as healthy only once its role can use its database', () => {
    const [kind, check = ''] = serviceOf('postgres').healthcheck?.test ?? [];
    const { POSTGRES_USER: role, POSTGRES_DB: name } = serviceOf('postgres').environment;
    expect(kind).toBe('CMD-SHELL');
    expect(check).toContain('pg_isready --quiet --host=127.0.0.1 ');
    expect(check).toMatch(new RegExp(`&& psql .*--username=${role} --dbname=${name} --command='select 1'`));
  });

  const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
  test.skipIf(!hasCompose)('is one that docker compose takes (skipped where it is not installed)', () => {
    execFileSync('docker', ['compose', '--file', path('docker-compose.yml'), 'config', '--quiet']);
  });
});
