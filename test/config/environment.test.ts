import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadApiConfig, loadStackConfig, loadWorkerConfig } from '../../config/config.ts';

const GOOD = {
  DATABASE_URL: 'postgres://u:p@h/d',
  TEMPORAL_ADDRESS: 'temporal.example:7233',
  TEMPORAL_NAMESPACE: 'billing',
  METERLINE_ENCRYPTION_KEYS: `a:${randomBytes(32).toString('base64')}`,
  METERLINE_API_TOKEN: 'a'.repeat(20),
  HOME: '/nonexistent',
};
const ELSEWHERE = '192.0.2.1';

async function problemsOf(
  env: Record<string, string>,
  load: (env: Record<string, string>) => Promise<unknown> = loadApiConfig,
): Promise<readonly string[]> {
  const error: unknown = await load(env).catch((reason: unknown) => reason);
  return error instanceof ConfigError ? error.problems : [];
}

describe('the environment of a process', () => {
  it("is read once, with Temporal's own settings", async () => {
    const config = await loadApiConfig(GOOD);
    expect(config).toMatchObject({ databaseUrl: GOOD.DATABASE_URL, apiToken: GOOD.METERLINE_API_TOKEN });
    const { address, namespace, connectionOptions } = config.temporal;
    expect([address, namespace, connectionOptions.address]).toEqual([
      GOOD.TEMPORAL_ADDRESS,
      'billing',
      GOOD.TEMPORAL_ADDRESS,
    ]);
    expect(config.encryptionKeys.map(({ id }) => id)).toEqual(['a']);
  });

  it("has all its problems listed at once: ours, Temporal's, and a HOST that nobody can listen on", async () => {
    const problems = await problemsOf({
      DATABASE_URL: 'postgres://u:p@h/d?foo=1',
      TEMPORAL_ADDRESS: 'temporal.example',
      TEMPORAL_TLS: 'perhaps',
      TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/certificate',
      HOST: 'no-such-host.invalid',
      PORT: 'x',
      HOME: '/nonexistent',
    });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'DATABASE_URL',
      'HOST',
      'METERLINE_API_TOKEN',
      'METERLINE_ENCRYPTION_KEYS',
      'PORT',
      'TEMPORAL_ADDRESS',
      'TEMPORAL_TLS',
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
    ]);
    expect(problems[1]).toMatch(
      /^HOST names no-such-host\.invalid, which cannot be resolved here \((ENOTFOUND|EAI_AGAIN)\): set it/,
    );
  });

  it('may name no host of another machine if the process listens', async () => {
    const expected = [
      'HOST names 192.0.2.1, which is no address of this machine (EADDRNOTAVAIL): set it to one that is, such as 127.0.0.1 or 0.0.0.0',
    ];
    const env = { ...GOOD, HOST: ELSEWHERE };
    expect(await problemsOf(env)).toEqual(expected);
    expect(await problemsOf(env, loadWorkerConfig)).toEqual([]);
    expect(await problemsOf({ ...env, METERLINE_WORKER_HEALTH_PORT: '8081' }, loadWorkerConfig)).toEqual(expected);
    for (const HOST of ['127.0.0.1', '0.0.0.0', 'localhost', ''])
      expect(await problemsOf({ ...GOOD, HOST })).toEqual([]);
  });

  it('may leave the API token to the API', async () => {
    expect(await problemsOf({ ...GOOD, METERLINE_API_TOKEN: '' })).toEqual(['METERLINE_API_TOKEN must be set']);
    expect(await problemsOf({ ...GOOD, METERLINE_API_TOKEN: '' }, loadWorkerConfig)).toEqual([]);
  });

  it('has two problems with the client certificate listed at once', async () => {
    const problems = await problemsOf({
      ...GOOD,
      TEMPORAL_TLS: 'false',
      TEMPORAL_API_KEY: 'hunter2',
      TEMPORAL_TLS_CLIENT_CERT_DATA: 'hunter2',
    });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('hunter2');
  });
});

describe('the environment of a stack that starts the servers without an address', () => {
  it("has Temporal's settings checked only if it names a Temporal", async () => {
    const env = { HOME: '/nonexistent', TEMPORAL_TLS: 'perhaps' };
    expect(await problemsOf(env, loadStackConfig)).toEqual([]);
    expect(await problemsOf({ ...env, TEMPORAL_ADDRESS: GOOD.TEMPORAL_ADDRESS }, loadStackConfig)).toEqual([
      'TEMPORAL_TLS must be true or false',
    ]);
    expect(await problemsOf({ ...env, HOST: ELSEWHERE }, loadStackConfig)).toHaveLength(1);
  });
});
