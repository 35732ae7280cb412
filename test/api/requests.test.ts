import { connect } from 'node:net';
import { sql } from 'drizzle-orm';
import { mintToken } from '../../db/tokens/secret.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../db/core/database.ts';
import { FAILURES } from '../../domain/failures.ts';
import { ADMIN_TOKEN, CANARY, seedConnection, startApi, type Answer, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({ timeouts: { headersMs: 300, requestMs: 600 }, waitMs: 50 });
});
afterAll(() => api.close());

const JSON_HEADERS = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };

function post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
  return api.raw('/v1/connections', { method: 'POST', headers: { ...JSON_HEADERS, ...headers }, body });
}

/** Speaks to the server byte by byte, as no client library would. */
function dialogue(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let heard = '';
    socket.setEncoding('utf8').on('data', (part: string) => (heard += part));
    socket.once('close', () => {
      resolve(heard);
    });
    socket.once('error', reject);
  });
}

describe('a problem', () => {
  it('is a problem document with what happened, what to do and a stable code', async () => {
    const refused = await api.get('/v1/connections?limit=x');
    expect(refused.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(refused.body).toEqual({
      type: '/docs#invalid_request',
      title: FAILURES.invalid_request.message,
      status: 400,
      detail: FAILURES.invalid_request.message,
      code: 'invalid_request',
      action: FAILURES.invalid_request.action,
      errors: [{ path: 'query.limit', message: 'must be a whole number from 1 to 500' }],
    });
  });

  it.each([
    ['/v1/nothing', 'GET'],
    ['/nothing', 'GET'],
    ['//', 'GET'],
    ['//v1/connections', 'GET'],
    ['/v1//connections', 'GET'],
    ['/v1/connections%2fx', 'GET'],
    ['/v1/connections/x%2fevents', 'GET'],
    ['/nothing', 'PUT'],
    ['/v1', 'GET'],
  ])('is a 404 on a path without a route: %s', async (path, method) => {
    const missing = await api.send(method, path);
    expect(missing.status).toBe(404);
    expect(missing.body.code).toBe('not_found');
  });
});

describe('a method that a path does not support', () => {
  it.each([
    ['/', 'POST', 'GET, HEAD'],
    ['/docs', 'DELETE', 'GET, HEAD'],
    ['/docs/', 'POST', 'GET, HEAD'],
    ['/docs/swagger-ui.css', 'PUT', 'GET, HEAD'],
    ['/openapi.json', 'PATCH', 'GET, HEAD'],
    ['/healthz', 'POST', 'GET, HEAD'],
    ['/v1/connections', 'PUT', 'POST, GET, HEAD'],
    ['/v1/connections', 'OPTIONS', 'POST, GET, HEAD'],
    ['/v1/connections/x', 'POST', 'GET, HEAD, PATCH, DELETE'],
    ['/v1/connections/x/pause', 'GET', 'POST'],
    ['/v1/costs', 'PROPFIND', 'GET, HEAD'],
  ])('is a 405 that names the supported ones: %s %s', async (path, method, allowed) => {
    const refused = await api.send(method, path);
    expect([refused.status, refused.body.code]).toEqual([405, 'method_not_allowed']);
    expect(refused.headers.get('allow')).toBe(allowed);
    expect(refused.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  });

  it('is a 405 for TRACE, too, and repeats nothing of the request', async () => {
    const head = `TRACE /v1/costs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nConnection: close\r\n\r\n`;
    const heard = await dialogue(head);
    expect(heard).toMatch(/^HTTP\/1\.1 405 /);
    expect(heard).toMatch(/\r\nAllow: GET, HEAD\r\n/);
    expect(heard).not.toContain(ADMIN_TOKEN);
  });

  it('is a 401 without a token', async () => {
    expect((await api.send('PUT', '/v1/connections', undefined, null)).status).toBe(401);
  });
});

describe('a body', () => {
  it.each([
    ['no JSON', `{"name": "${CANARY}`],
    ['JSON that is no object', `"${CANARY}"`],
    ['a list', `["${CANARY}"]`],
    ['null', 'null'],
    ['a number', '7'],
    ['an unknown field', `{"name":"x","admin_api_key":"${CANARY}","${CANARY}":1}`],
    ['__proto__', `{"name":"x","admin_api_key":"${CANARY}","__proto__":{"backfill_days":7}}`],
    ['constructor', `{"name":"x","admin_api_key":"${CANARY}","constructor":{"prototype":{}}}`],
    ['an object for a key', `{"name":"x","admin_api_key":{"${CANARY}":"${CANARY}"}}`],
    ['deep nesting', `{"name":${'['.repeat(5_000)}${']'.repeat(5_000)},"admin_api_key":"${CANARY}"}`],
  ])('with %s is a 400 that quotes nothing of it', async (_what, body) => {
    const refused = await post(body);
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe('invalid_request');
    expect(refused.body.errors.length).toBeGreaterThan(0);
    expect(refused.text).not.toContain('CANARY');
  });

  it.each([
    ['text/plain', '{}'],
    ['application/x-www-form-urlencoded', 'name=x'],
    ['application/jsonp', '{}'],
    ['application/json; charset=latin1', '{}'],
  ])('of the type %s is a 400', async (type, body) => {
    const refused = await post(body, { 'content-type': type });
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe('invalid_request');
  });

  it('with a key in place of a name is a 400, because names are stored and shown in the clear', async () => {
    const refused = await post(JSON.stringify({ name: `my ${CANARY}`, admin_api_key: CANARY }));
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toEqual([{ path: 'body.name', message: 'must not contain a key' }]);
  });

  it.each([
    ['a token', mintToken(), 'must not contain a token'],
    ['a link', `open ${mintToken('link')}`, 'must not contain a token'],
    ['nothing that anybody sees', '\u200b\u202e', 'must not be empty'],
  ])('with %s in place of a name is a 400', async (_, name, message) => {
    const refused = await post(JSON.stringify({ name, admin_api_key: CANARY }));
    expect([refused.status, refused.body.errors]).toEqual([400, [{ path: 'body.name', message }]]);
  });

  it.each([
    ['a byte that no text in UTF-8 has', 'application/json', 'latin1'],
    ['another encoding that the type names', 'application/json; charset=utf-16le', 'utf16le'],
  ] as const)(
    'in %s is a 400 that says so, because the name would be stored with other letters',
    async (_, type, encoding) => {
      const body = Buffer.from(JSON.stringify({ name: 'Zürich', admin_api_key: CANARY }), encoding);
      const refused = await post(body, { 'content-type': type });
      expect([refused.status, refused.body.errors]).toEqual([400, [{ path: 'body', message: 'is not UTF-8' }]]);
      expect(refused.text).not.toContain('CANARY');
    },
  );

  it('that is compressed is a 400, so that no small body becomes a large one', async () => {
    expect((await post('{}', { 'content-encoding': 'gzip' })).status).toBe(400);
  });

  it('of more than 16 kB is a 413', async () => {
    const refused = await post(`{"name":"${'x'.repeat(17_000)}"}`);
    expect(refused.status).toBe(413);
    expect(refused.body.code).toBe('too_large');
  });

  it('is not read before the token is checked', async () => {
    const refused = await api.raw('/v1/connections', { method: 'POST', body: 'x'.repeat(100_000) });
    expect(refused.status).toBe(401);
  });
});

describe('a client', () => {
  it('with headers of more than 8 kB gets a 431', async () => {
    const heard = await dialogue(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(9_000)}\r\n\r\n`);
    expect(heard).toMatch(/^HTTP\/1\.1 431 /);
    expect(heard).toContain('"code":"too_large"');
  });

  it('that does not speak HTTP gets a 400', async () => {
    expect(await dialogue('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each([
    ['names no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['takes it for a proxy', 'CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['asks for a whole address', 'GET http://[::1/healthz HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('that %s gets a 400 with a problem document', async (_what, text) => {
    const heard = await dialogue(text);
    expect(heard).toMatch(/^HTTP\/1\.1 400 /);
    expect(heard).toContain('"code":"invalid_request"');
  });

  it('that sends an unknown expectation is still answered', async () => {
    const heard = await dialogue('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: much\r\nConnection: close\r\n\r\n');
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['Range', 'bytes=999999999-'],
    ['If-Match', '"none"'],
  ])('that asks for a file of the documentation with a %s that does not hold gets a 400', async (name, value) => {
    const refused = await api.raw('/docs/swagger-ui.css', { headers: { [name]: value } });
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe('invalid_request');
  });

  it('that does not finish its headers in time gets a 408', async () => {
    expect(await dialogue('GET /healthz HTTP/1.1\r\nHost: x\r\n')).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('that does not finish its body in time gets a 408', async () => {
    const head = `POST /v1/connections HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n`;
    const heard = await dialogue(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`);
    expect(heard).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('every reply', () => {
  it('under /v1 is not stored, not sniffed, and open to no other origin', async () => {
    for (const path of ['/v1/connections', '/v1/nothing', '/v1/connections?limit=x']) {
      const { headers } = await api.raw(path, { headers: { ...JSON_HEADERS, origin: 'https://example.com' } });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-frame-options')).not.toBeNull();
      for (const name of ['x-powered-by', 'access-control-allow-origin', 'etag', 'server']) {
        expect(headers.get(name)).toBeNull();
      }
    }
  });

  it('carries an id that the API made', async () => {
    const { headers } = await api.raw('/v1/connections', { headers: { ...JSON_HEADERS, 'x-request-id': CANARY } });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the log', () => {
  it('has a line for each request, without keys, tokens, queries and odd paths', async () => {
    const id = await seedConnection(api.db, {});
    api.temporal.isDown = true;
    await post(JSON.stringify({ name: 'x', admin_api_key: CANARY }));
    await api.send('POST', `/v1/connections/${id}/rotate-key`, { admin_api_key: CANARY });
    await api.send('POST', `/v1/connections/${id}/keys`, { admin_api_key: `${CANARY}\0` });
    await post(`{"name": "${CANARY}`);
    await api.get(`/v1/connections/${CANARY}?admin_api_key=${CANARY}`);
    await api.get(`/${encodeURIComponent(`${CANARY}/`)}`);
    await api.get('/v1/connections', CANARY);
    api.temporal.isDown = false;
    const log = api.log();
    expect(log).toContain(`"path":"/v1/connections/${id}/rotate-key"`);
    expect(log).toContain('"path":"/v1/connections/…"');
    expect(log).toContain('"token":"bootstrap"');
    for (const secret of [CANARY, 'CANARY', ADMIN_TOKEN, encodeURIComponent(CANARY)]) expect(log).not.toContain(secret);
  });
});

describe('when Postgres', () => {
  // Postgres refuses this statement and quotes it in its message; so do the errors of the query builder.
  beforeEach(() => api.db.execute(sql`alter table connections rename column name to called`).then(() => undefined));
  afterEach(() => api.db.execute(sql`alter table connections rename column called to name`).then(() => undefined));

  it('refuses a statement, the reply shows only an id, and the log says where it failed', async () => {
    const failed = await post(JSON.stringify({ name: 'secret name', admin_api_key: CANARY }));
    expect(failed.status).toBe(500);
    expect(failed.headers.get('content-type')).toContain('application/problem+json');
    expect(failed.body).toMatchObject({ code: 'internal', status: 500 });
    expect(failed.body.request_id).toBe(failed.headers.get('x-request-id'));
    expect(failed.text).not.toMatch(/secret name|insert|column|at .*\.ts|42703/);
    const log = api.log();
    expect(log).toContain(failed.body.request_id);
    expect(log).toContain('SQLSTATE 42703');
    expect(log).toMatch(/at .*connections\.ts/);
    expect(log).not.toMatch(/secret name|CANARY/);
  });

  it('does not answer, it is a 503 that says so', async () => {
    const gone = openDatabase('postgres://nobody:nothing@127.0.0.1:1/none', { max: 1, name: 'test' });
    const own = await startApi({ db: gone.db });
    try {
      const failed = await own.get('/v1/connections');
      expect(failed.status).toBe(503);
      expect(failed.body).toMatchObject({ code: 'unavailable', detail: 'Postgres does not answer.' });
      expect((await own.get('/healthz')).status).toBe(200);
      const ready = await own.get('/readyz');
      expect(ready.status).toBe(503);
      expect(ready.body).toMatchObject({
        postgres: 'unavailable',
        temporal: 'ok',
        detail: 'Postgres does not answer.',
      });
    } finally {
      await own.close();
      await gone.close();
    }
  });
});

describe('/readyz', () => {
  it('is 200 if both answer, and names Temporal if it does not', async () => {
    expect((await api.get('/readyz', null)).body).toEqual({ status: 'ready', postgres: 'ok', temporal: 'ok' });
    api.temporal.isDown = true;
    const ready = await api.get('/readyz', null);
    api.temporal.isDown = false;
    expect(ready.status).toBe(503);
    expect(ready.body).toMatchObject({ postgres: 'ok', temporal: 'unavailable', detail: 'Temporal does not answer.' });
  });
});
