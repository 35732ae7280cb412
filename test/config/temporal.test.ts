import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTemporal } from '../../api/temporal.ts';
import { ConfigError } from '../../config/config.ts';
import { loadTemporalSettings, type TemporalSettings } from '../../config/temporal.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { installRuntime } from '../support/world.ts';

const API_KEY = 'temporal-key-CANARY';
let directory: string;
const at = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'meterline-temporal-'));
  makeAuthority(directory);
  makeCertificate(directory, 'server', 'DNS:temporal.invalid');
  makeCertificate(directory, 'client', 'DNS:client');
  makeCertificate(directory, 'other', 'DNS:other');
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** No file of whoever runs the tests is read. */
function settings(env: Record<string, string>): TemporalSettings {
  return loadTemporalSettings({ HOME: directory, ...env });
}

function problemsOf(env: Record<string, string>): string {
  try {
    settings(env);
    return 'none';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect([error.message, error.stack, JSON.stringify(error), String(error.cause)].join()).not.toContain('CANARY');
    return error.problems.join();
  }
}

const mutual = (): Record<string, string> => ({
  TEMPORAL_TLS_CLIENT_CERT_PATH: at('client.pem'),
  TEMPORAL_TLS_CLIENT_KEY_PATH: at('client.key'),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: at('ca.pem'),
  TEMPORAL_TLS_SERVER_NAME: 'temporal.invalid',
});

describe("Temporal's variables", () => {
  it('give an address and a namespace, and no TLS unless it is asked for', () => {
    const { connectionOptions, namespace } = settings({ TEMPORAL_ADDRESS: 'temporal.example:7233', TEMPORAL_TLS: '' });
    expect(connectionOptions).toMatchObject({ address: 'temporal.example:7233', apiKey: undefined, tls: undefined });
    expect(namespace).toBe('default');
    expect(settings({ TEMPORAL_NAMESPACE: 'billing.abc12' }).namespace).toBe('billing.abc12');
    expect(settings({ TEMPORAL_TLS: 'true' }).connectionOptions.tls).toBeTypeOf('object');
    expect(settings({ TEMPORAL_TLS: 'false' }).connectionOptions.tls).toBe(false);
  });

  it('turn TLS on for an API key', () => {
    expect(settings({ TEMPORAL_API_KEY: API_KEY }).connectionOptions).toMatchObject({ apiKey: API_KEY, tls: true });
  });

  it('give certificate, key, authority and name of the server, from files or as they are', () => {
    const pem = (name: string): Uint8Array => Uint8Array.from(readFileSync(at(name)));
    const expected = {
      clientCertPair: { crt: pem('client.pem'), key: pem('client.key') },
      serverRootCACertificate: pem('ca.pem'),
      serverNameOverride: 'temporal.invalid',
    };
    expect(settings(mutual()).connectionOptions.tls).toEqual(expected);
    const asTheyAre = {
      TEMPORAL_TLS_CLIENT_CERT_DATA: readFileSync(at('client.pem'), 'utf8'),
      TEMPORAL_TLS_CLIENT_KEY_DATA: readFileSync(at('client.key'), 'utf8'),
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: readFileSync(at('ca.pem'), 'utf8'),
      TEMPORAL_TLS_SERVER_NAME: 'temporal.invalid',
    };
    expect(settings(asTheyAre).connectionOptions.tls).toEqual(expected);
  });

  it('name a file and a profile of it, and take precedence over them', () => {
    writeFileSync(
      at('temporal.toml'),
      `[profile.cloud]
       address = "cloud.example:7233"
       namespace = "billing.abc12"
       api_key = "${API_KEY}"
       [profile.cloud.tls]
       server_ca_cert_path = "${at('ca.pem')}"`,
    );
    const env = { TEMPORAL_CONFIG_FILE: at('temporal.toml'), TEMPORAL_PROFILE: 'cloud' };
    expect(settings(env)).toMatchObject({
      connectionOptions: { address: 'cloud.example:7233', apiKey: API_KEY, tls: {} },
      namespace: 'billing.abc12',
    });
    expect(settings({ ...env, TEMPORAL_ADDRESS: 'x:1' }).connectionOptions.address).toBe('x:1');
    expect(problemsOf({ ...env, TEMPORAL_PROFILE: 'none' })).toContain('lacks the profile that TEMPORAL_PROFILE names');
    expect(problemsOf({ ...env, TEMPORAL_TLS: 'false' })).toContain('over TLS only');
  });
});

describe('a mistake in them', () => {
  it.each([
    'TEMPORAL_CONFIG_FILE',
    'TEMPORAL_TLS_CLIENT_CERT_PATH',
    'TEMPORAL_TLS_CLIENT_KEY_PATH',
    'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  ])('is named with its path: %s leads nowhere', (name) => {
    expect(problemsOf({ ...mutual(), [name]: '/no/such/file' })).toBe(
      `${name} names /no/such/file, which cannot be read`,
    );
  });

  it.each<[string, () => Record<string, string>, string]>([
    ['a certificate without its key', () => ({ TEMPORAL_TLS_CLIENT_CERT_PATH: at('client.pem') }), 'go together'],
    ['a key without its certificate', () => ({ TEMPORAL_TLS_CLIENT_KEY_PATH: at('client.key') }), 'go together'],
    [
      'the key of another',
      () => ({ ...mutual(), TEMPORAL_TLS_CLIENT_KEY_PATH: at('other.key') }),
      'does not belong to the client key',
    ],
    ['a key for a certificate', () => ({ ...mutual(), TEMPORAL_TLS_CLIENT_CERT_PATH: at('client.key') }), 'is not PEM'],
    ['another word for yes', () => ({ TEMPORAL_TLS: 'yes' }), 'TEMPORAL_TLS must be true or false'],
    ['an API key in the clear', () => ({ TEMPORAL_API_KEY: API_KEY, TEMPORAL_TLS: 'false' }), 'over TLS only'],
    ['a certificate in the clear', () => ({ ...mutual(), TEMPORAL_TLS: '0' }), 'over TLS only'],
  ])('stops the start, and does not weaken the connection: %s', (_what, env, problem) => {
    expect(problemsOf(env())).toContain(problem);
  });

  it('in a file is reported without a word of the file', () => {
    writeFileSync(at('broken.toml'), `[profile.default]\napi_key = "${API_KEY}`);
    expect(problemsOf({ TEMPORAL_CONFIG_FILE: at('broken.toml') })).toContain('is not TOML');
    writeFileSync(at('lost.toml'), '[profile.default.tls]\nserver_ca_cert_path = "/no/such/file"');
    expect(problemsOf({ TEMPORAL_CONFIG_FILE: at('lost.toml') })).toContain(
      "Temporal's configuration names /no/such/file, which cannot be read",
    );
  });
});

describe('a Temporal that asks for a certificate', () => {
  let server: Http2SecureServer;
  let seen: { path: unknown; authorization: unknown; client: string | undefined }[];
  let env: Record<string, string>;

  beforeAll(async () => {
    const [key, cert, ca] = ['server.key', 'server.pem', 'ca.pem'].map((name) => readFileSync(at(name)));
    server = createSecureServer({ key, cert, ca, requestCert: true, rejectUnauthorized: true });
    server
      .on('sessionError', () => undefined)
      .on('stream', (stream, headers) => {
        const socket = stream.session?.socket;
        const client = socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : undefined;
        seen.push({ path: headers[':path'], authorization: headers['authorization'], client });
        // An empty message is an answer to GetSystemInfo.
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'grpc-status': '0' });
        });
        stream.end(Buffer.alloc(5));
      });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    env = { HOME: directory, TEMPORAL_ADDRESS: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    installRuntime();
  });
  afterAll(() => {
    server.close();
  });
  beforeEach(() => {
    seen = [];
  });

  it('is given it by the API and by the worker, with the API key beside it', async () => {
    const full = { ...env, ...mutual(), TEMPORAL_API_KEY: API_KEY };
    const temporal = openTemporal({ temporal: loadTemporalSettings(full), taskQueue: 'x' });
    await temporal.check();
    await temporal.close();
    const native = await NativeConnection.connect(loadTemporalSettings(full).connectionOptions);
    await native.close();
    expect(seen.length).toBeGreaterThanOrEqual(2);
    for (const { path, authorization, client } of seen) {
      expect(path).toMatch(/GetSystemInfo$/);
      expect([authorization, client]).toEqual([`Bearer ${API_KEY}`, 'client']);
    }
  });

  it.each<[string, () => Record<string, string>]>([
    ['certificate', () => ({ TEMPORAL_TLS_CLIENT_CERT_PATH: '', TEMPORAL_TLS_CLIENT_KEY_PATH: '' })],
    ['authority', () => ({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: at('other.pem') })],
    ['name', () => ({ TEMPORAL_TLS_SERVER_NAME: 'somebody.invalid' })],
  ])('is not reached, and sees no API key, with a wrong %s', async (_what, wrong) => {
    const partial = { ...env, ...mutual(), TEMPORAL_API_KEY: API_KEY, ...wrong() };
    const temporal = openTemporal({ temporal: loadTemporalSettings(partial), taskQueue: 'x' });
    await expect(temporal.check()).rejects.toThrow('Temporal does not answer');
    await temporal.close();
    await expect(NativeConnection.connect(loadTemporalSettings(partial).connectionOptions)).rejects.toThrow();
    expect(seen).toEqual([]);
  });
});
