import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { anyFreePort } from '../../local/processes/ports.ts';
import { environmentOf, tokenOf } from '../../local/stack/environment.ts';
import { refuseOtherKind, refuseRealData, refuseTakenPort } from '../../local/stack/guards.ts';
import type { StackKind } from '../../local/stack/stack.ts';
import { Console } from '../../local/terminal/console.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { temporaryFolder } from './fakes.ts';

describe('a start', () => {
  test('refuses a PORT that is taken, and a HOST of another machine, and accepts others', async () => {
    const port = await anyFreePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    try {
      await expect(refuseTakenPort(loadConfig({ PORT: String(port) }))).rejects.toThrow(
        `PORT asks for port ${port} on 127.0.0.1, which is in use by another program.`,
      );
      await expect(refuseTakenPort(loadConfig({ HOST: '192.0.2.1' }))).rejects.toThrow(
        'HOST is 192.0.2.1, which cannot be listened on',
      );
      await refuseTakenPort(loadConfig({ PORT: '0' }));
      await refuseTakenPort(loadConfig({}));
    } finally {
      server.close();
    }
  });

  test('marks a data directory as real or simulated, and refuses the other kind from then on', () => {
    const [real, simulated] = [temporaryFolder(), temporaryFolder()];
    refuseOtherKind(real, 'live');
    refuseOtherKind(real, 'live');
    expect(() => {
      refuseOtherKind(real, 'demo');
    }).toThrow(`${real} holds real data, which the demo does not touch.`);
    refuseOtherKind(simulated, 'demo');
    expect(() => {
      refuseOtherKind(simulated, 'live');
    }).toThrow(`${simulated} holds the demo's simulated data.`);
  });
});

describe('a database that is named for the demo', () => {
  const SAMPLE = '7f6f4dd0-57cb-4d73-b67f-6e7f00d0c0de';
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  const connect = (organizationId: string | null): Promise<unknown> =>
    database.db.execute(
      sql`
        insert into connections (id, name, organization_id, organization_name, status, began, backfill_to)
        values (
          gen_random_uuid(), 'one', ${organizationId}, ${organizationId === null ? null : 'One'}, 'active',
          '2026-01-01', '2026-01-31'
        )
      `,
    );

  test('is accepted while it has no connection or only the sample organization, and refused with any other', async () => {
    await refuseRealData(database.url, SAMPLE);
    await connect(SAMPLE);
    await refuseRealData(database.url, SAMPLE);
    await connect(null);
    await expect(refuseRealData(database.url, SAMPLE)).rejects.toThrow('so the demo does not use it');
  });
});

describe('the environment of the API and the worker', () => {
  const EMBEDDED = {
    address: '127.0.0.1:7233',
    namespace: 'default',
    uiUrl: 'http://127.0.0.1:8233',
    isEmbedded: true,
  };

  function environment(
    env: Record<string, string>,
    options: { kind?: StackKind; isEmbedded?: boolean; dataDir?: string; smtpUrl?: string } = {},
  ): NodeJS.ProcessEnv {
    const { kind = 'live', isEmbedded = true, dataDir = temporaryFolder(), smtpUrl = null } = options;
    const config = loadConfig(env);
    const console = new Console(process.stdout, process.stderr, {});
    return environmentOf(
      { config, env, kind, dataDir, console },
      {
        databaseUrl: 'postgres://there/db',
        temporal: { ...EMBEDDED, isEmbedded },
        anthropicBaseUrl: kind === 'demo' ? 'http://127.0.0.1:9400' : null,
        smtpUrl,
        token: tokenOf(config, dataDir),
      },
    );
  }

  test('drops settings for another Temporal if Temporal is the embedded one, and keeps them otherwise', () => {
    const env = { TEMPORAL_ADDRESS: 'there.example:7233', TEMPORAL_API_KEY: 'of-another' };
    const embedded = environment(env);
    expect(embedded['TEMPORAL_API_KEY']).toBeUndefined();
    expect(embedded['TEMPORAL_ADDRESS']).toBe('127.0.0.1:7233');
    expect(readFileSync(embedded['TEMPORAL_CONFIG_FILE'] ?? '', 'utf8')).toBe('[profile.default]\n');
    const other = environment(env, { isEmbedded: false });
    expect(other['TEMPORAL_API_KEY']).toBe('of-another');
    expect(other['TEMPORAL_CONFIG_FILE']).toBeUndefined();
  });

  test('gives the demo a task queue of its own unless one is named, and its simulator instead of Anthropic', () => {
    expect(environment({}, { kind: 'live' })).toMatchObject({
      METERLINE_TASK_QUEUE: 'meterline',
      ANTHROPIC_BASE_URL: 'https://api.anthropic.com',
    });
    expect(environment({}, { kind: 'demo' })).toMatchObject({
      METERLINE_TASK_QUEUE: 'meterline-demo',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9400',
    });
    expect(environment({ METERLINE_TASK_QUEUE: 'mine' }, { kind: 'demo' })['METERLINE_TASK_QUEUE']).toBe('mine');
  });

  test('names the mail sink if it runs, with a sender unless one is set, and nothing where a mail server is', () => {
    const sink = { smtpUrl: 'smtp://127.0.0.1:2525' };
    expect(environment({}, sink)).toMatchObject({
      METERLINE_SMTP_URL: 'smtp://127.0.0.1:2525',
      METERLINE_MAIL_FROM: 'Meterline <meterline@localhost>',
    });
    expect(environment({ METERLINE_MAIL_FROM: 'me@example.com' }, sink)['METERLINE_MAIL_FROM']).toBe('me@example.com');
    const own = { METERLINE_SMTP_URL: 'smtps://mail.example.com', METERLINE_MAIL_FROM: 'me@example.com' };
    expect(environment(own)).toMatchObject(own);
  });

  test('has the same encryption key and token at every start, in files that only their owner can read', () => {
    const dataDir = temporaryFolder();
    const [first, second] = [environment({}, { dataDir }), environment({}, { dataDir })];
    expect(first['METERLINE_ENCRYPTION_KEYS']).toMatch(/^local:[A-Za-z0-9+/]{43}=$/);
    for (const name of ['METERLINE_ENCRYPTION_KEYS', 'METERLINE_API_TOKEN']) expect(second[name]).toBe(first[name]);
    for (const file of ['encryption-keys', 'api-token']) {
      expect([file, statSync(join(dataDir, file)).mode & 0o777]).toEqual([file, 0o600]);
    }
  });
});
