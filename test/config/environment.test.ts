import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/config.ts';
import { loadEnvironment } from '../../config/environment.ts';

const REQUIRED = ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'METERLINE_ENCRYPTION_KEYS', 'METERLINE_API_TOKEN'] as const;
const GOOD = {
  DATABASE_URL: 'postgres://u:p@h/d',
  TEMPORAL_ADDRESS: 'temporal.example:7233',
  TEMPORAL_NAMESPACE: 'billing',
  METERLINE_ENCRYPTION_KEYS: `a:${randomBytes(32).toString('base64')}`,
  METERLINE_API_TOKEN: 'a'.repeat(20),
  HOME: '/nonexistent',
};

async function faultsOf(env: Record<string, string>, listens = true): Promise<readonly string[]> {
  const error: unknown = await loadEnvironment(env, REQUIRED, { listens }).catch((reason: unknown) => reason);
  return error instanceof ConfigError ? error.faults : [];
}

describe('the environment of a process', () => {
  it('is read once, with what is meant for Temporal', async () => {
    const { config, temporal } = await loadEnvironment(GOOD, REQUIRED, { listens: true });
    expect(config.databaseUrl).toBe(GOOD.DATABASE_URL);
    expect(temporal).toMatchObject({ namespace: 'billing', connectionOptions: { address: GOOD.TEMPORAL_ADDRESS } });
  });

  it("has all its faults told at once: ours, Temporal's, and a HOST that is not to be had", async () => {
    const faults = await faultsOf({
      DATABASE_URL: 'postgres://u:p@h/d?foo=1',
      TEMPORAL_ADDRESS: 'temporal.example',
      TEMPORAL_TLS: 'perhaps',
      TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/certificate',
      HOST: 'no-such-host.invalid',
      PORT: 'x',
      HOME: '/nonexistent',
    });
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
      'DATABASE_URL',
      'HOST',
      'METERLINE_API_TOKEN',
      'METERLINE_ENCRYPTION_KEYS',
      'PORT',
      'TEMPORAL_ADDRESS',
      'TEMPORAL_TLS',
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
    ]);
    expect(faults[1]).toMatch(
      /^HOST names no-such-host\.invalid, which cannot be resolved here \((ENOTFOUND|EAI_AGAIN)\): set it/,
    );
  });

  it('may name no host of another machine, which only those care for that listen', async () => {
    const [fault, ...others] = await faultsOf({ ...GOOD, HOST: '192.0.2.1' });
    expect(fault).toBe(
      'HOST names 192.0.2.1, which is no address of this machine (EADDRNOTAVAIL): set it to one that is, such as 127.0.0.1 or 0.0.0.0',
    );
    expect(others).toEqual([]);
    expect(await faultsOf({ ...GOOD, HOST: '192.0.2.1' }, false)).toEqual([]);
    for (const HOST of ['127.0.0.1', '0.0.0.0', 'localhost', '']) expect(await faultsOf({ ...GOOD, HOST })).toEqual([]);
  });

  it('has two faults of the client certificate told at once', async () => {
    const faults = await faultsOf({
      ...GOOD,
      TEMPORAL_TLS: 'false',
      TEMPORAL_API_KEY: 'hunter2',
      TEMPORAL_TLS_CLIENT_CERT_DATA: 'hunter2',
    });
    expect(faults).toHaveLength(2);
    expect(faults.join()).not.toContain('hunter2');
  });
});
