import { createServer } from 'node:net';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import type { AnthropicError } from '../../anthropic/failure.ts';
import { readOrganization } from '../../anthropic/organization.ts';
import { createTransport, type AnthropicReader, type ReadablePath } from '../../anthropic/transport.ts';
import { listWorkspaces } from '../../anthropic/workspaces.ts';
import { VERSION } from '../../domain/version.ts';
import type { FaultInput } from '../../simulator/simulator.ts';
import { readCostDays } from '../support/pages.ts';
import { until } from '../support/wait.ts';
import { REQUEST_ID, KEY, WEEK, all, allDays, answering, failureOf, upstream, type Upstream } from './support.ts';
import { adminKey } from '../support/admin-key.ts';

const ME = '/v1/organizations/me';

let up: Upstream;
beforeEach(async () => {
  up = await upstream({ timeouts: { headersMs: 400, silenceMs: 400 } });
});
afterEach(() => up.close());

/** What reading the organization fails with under a fault. */
async function met(failure: FaultInput): Promise<AnthropicError> {
  up.simulator.control.fault(failure);
  return failureOf(readOrganization(up.reader()));
}

describe('a refusal', () => {
  it.each([
    ['key_invalid', { kind: 'unauthorized' }, 'HTTP 401 authentication_error: invalid x-api-key'],
    ['key_forbidden', { kind: 'forbidden' }, 'HTTP 403 permission_error: This key lacks permission'],
    ['individual_account', { kind: 'status', status: 404 }, 'HTTP 404 not_found_error'],
    ['upstream_refused', { kind: 'status', status: 400 }, 'HTTP 400 invalid_request_error: Something went wrong'],
    ['upstream_refused', { kind: 'status', status: 402 }, 'HTTP 402 billing_error'],
    ['upstream_refused', { kind: 'status', status: 409 }, 'HTTP 409 conflict_error'],
    ['upstream_refused', { kind: 'status', status: 413 }, 'HTTP 413'],
    ['upstream_refused', { kind: 'unknown_error_type', status: 418 }, 'HTTP 418 quota_epoch_error'],
    ['rate_limited', { kind: 'rate_limited' }, 'HTTP 429 rate_limit_error'],
    ['upstream_unavailable', { kind: 'status', status: 408 }, 'HTTP 408'],
    ['upstream_unavailable', { kind: 'status', status: 500 }, 'HTTP 500 api_error'],
    ['upstream_unavailable', { kind: 'status', status: 502 }, 'HTTP 502'],
    ['upstream_unavailable', { kind: 'status', status: 503 }, 'HTTP 503'],
    ['upstream_unavailable', { kind: 'status', status: 504 }, 'HTTP 504 timeout_error'],
    ['upstream_unavailable', { kind: 'status', status: 529 }, 'HTTP 529 overloaded_error'],
    ['upstream_unavailable', { kind: 'html_error' }, 'HTTP 502'],
    // A page in HTML comes from something on the way: it says nothing of the key.
    ['network_refused', { kind: 'html_error', status: 401 }, 'HTTP 401 (not in the form'],
    ['network_refused', { kind: 'html_error', status: 403 }, 'HTTP 403 (not in the form'],
    ['network_refused', { kind: 'html_error', status: 404 }, 'HTTP 404 (not in the form'],
    ['rate_limited', { kind: 'html_error', status: 429 }, 'HTTP 429'],
    ['network_refused', { kind: 'redirect' }, 'HTTP 302 (a redirect to 127.0.0.1:9'],
  ] as const)('is %s for %o', async (code, failure, detail) => {
    const error = await met(failure);
    expect(error).toMatchObject({ code, requestId: REQUEST_ID });
    expect(error.detail).toContain(detail);
    expect(error.message).toContain(error.requestId);
    expect(error.retryAfterMs).toBeNull();
  });

  it('of a 404 means an individual account only on the path of the organization', async () => {
    up.simulator.control.fault({ kind: 'status', status: 404, report: 'workspaces' });
    expect((await failureOf(all(listWorkspaces(up.reader())))).code).toBe('upstream_refused');
  });

  it('may lack the request id in its body, or everywhere', async () => {
    expect(await met({ kind: 'no_request_id' })).toMatchObject({ code: 'upstream_unavailable' });
    const bare = await answering((_request, response) => response.writeHead(529).end());
    expect(await failureOf(readOrganization(bare.reader))).toMatchObject({ detail: 'HTTP 529', requestId: null });
    await bare.close();
  });

  it.each([
    [undefined, null],
    ['0', 0],
    [7, 7_000],
    ['1.5', 1_500],
    ['86400', 86_400_000],
    ['soon', null],
    ['Wed, 21 Oct 2020 07:28:00 GMT', 0],
  ])('of a rate limit with retry-after %s asks for %s ms', async (retryAfter, retryAfterMs) => {
    const failure = { kind: 'rate_limited', retryAfter, rateLimitReset: '2020-01-01T00:00:00Z' } as const;
    expect(await met(failure)).toMatchObject({ code: 'rate_limited', retryAfterMs });
  });

  it('of a rate limit may name the instant of the next try', async () => {
    const { retryAfterMs } = await met({ kind: 'rate_limited', retryAfter: 'date:90' });
    expect(retryAfterMs).toBeGreaterThan(80_000);
    expect(retryAfterMs).toBeLessThanOrEqual(90_000);
  });

  it('never shows the key, not even a part where a message was cut', async () => {
    const cut = [up.key.slice(0, 60), up.key.slice(0, -1)];
    for (const message of [
      `no such key: ${up.key}`,
      `${'x'.repeat(150)} ${up.key} ${up.key}`,
      `shortened by them: ${cut.join()}`,
    ]) {
      const error = await met({ kind: 'status', status: 401, message });
      expect(error.detail).toContain(message.slice(0, 10));
      expect([error.message, error.stack, JSON.stringify(error)].join()).not.toContain(up.key.slice(0, 20));
    }
  });
});

describe('the id of a request', () => {
  it('never shows a key, though only its first hundred characters are read', async () => {
    const key = `sk-ant-admin01-${'k'.repeat(120)}`;
    const elsewhere = await answering((_request, response) => {
      response.writeHead(500, { 'request-id': `req_${key}` }).end();
    });
    const transport = createTransport({ baseUrl: elsewhere.url, maxReplyBytes: 1_000 });
    const read = readOrganization(transport.readerFor(adminKey(key), new AbortController().signal));
    await expect(read).rejects.toMatchObject({ requestId: 'req_…' });
    await transport.close();
    await elsewhere.close();
  });
});

describe('a reply', () => {
  it.each([
    ['truncated_json', 'the reply is cut short or is not JSON'],
    ['wrong_shape', 'the organization has no id'],
  ] as const)('that is no answer (%s) is invalid, under the id of its request', async (kind, detail) => {
    expect(await met({ kind })).toMatchObject({
      code: 'upstream_invalid',
      detail,
      requestId: REQUEST_ID,
    });
  });

  it.each([
    ['html_ok', 'a reply of the content type "text/html" that is not JSON'],
    ['gzip_bomb', 'a reply compressed (gzip), which was not asked for'],
  ] as const)('that something on the way gives in its place (%s) says so', async (kind, detail) => {
    const error = await met({ kind });
    expect(error).toMatchObject({ code: 'network_refused', requestId: REQUEST_ID });
    expect(error.detail).toContain(detail);
  });

  it.each([
    ['cut_short', /closed|reset/],
    ['reset', /closed|reset/],
    ['stall_headers', /no answer came in time/],
    ['stall_body', /the answer stalled/],
  ] as const)('that does not come whole (%s) is an outage', async (kind, detail) => {
    const error = await met({ kind });
    expect(error).toMatchObject({ code: 'upstream_unavailable', requestId: null });
    expect(error.detail).toMatch(detail);
    expect(await readOrganization(up.reader())).toMatchObject({ name: 'Sample Organization' });
  });

  it('that drips is cut off after its time, also if memory is collected meanwhile', async () => {
    setFlagsFromString('--expose_gc');
    const collect: unknown = runInNewContext('gc');
    const hasty = await upstream({ timeouts: { replyMs: 600 } });
    hasty.simulator.control.fault({ kind: 'drip', bytesPerSecond: 25 });
    const collecting = setInterval(() => {
      if (typeof collect === 'function') Reflect.apply(collect, undefined, []);
    }, 50);
    const error = await failureOf(readOrganization(hasty.reader()));
    clearInterval(collecting);
    expect(collect).toBeTypeOf('function');
    expect(error).toMatchObject({
      code: 'upstream_unavailable',
      detail: 'the answer was not complete after 0.6 s',
    });
    await hasty.close();
  });

  it('that is a gzip bomb is not unpacked', async () => {
    up.simulator.control.fault({ kind: 'gzip_bomb', bytes: 256 * 2 ** 20 });
    const reader = up.reader();
    await failureOf(readOrganization(reader));
    expect(reader.traffic.bytes).toBeLessThan(500_000);
  });

  it('of 50 MB is read if the cap allows it, and dropped if not', async () => {
    up.simulator.control.fault({ kind: 'huge_page' });
    expect(await readOrganization(up.reader())).toMatchObject({ name: 'Sample Organization' });
    const small = await upstream({ maxReplyBytes: 2 ** 20 });
    small.simulator.control.fault({ kind: 'huge_page' });
    const reader = small.reader();
    expect(await failureOf(readOrganization(reader))).toMatchObject({
      code: 'reply_too_large',
      detail: `the reply of ${ME} has 50 MB, which is more than the 1 MB of METERLINE_MAX_REPLY_MB`,
      requestId: REQUEST_ID,
    });
    expect(reader.traffic.bytes).toBeLessThan(2 * 2 ** 20);
    await small.close();
  });

  it('of an error is read only in part', async () => {
    const long = await answering((_request, response) => response.writeHead(500).end('x'.repeat(5_000_000)));
    expect(await failureOf(readOrganization(long.reader))).toMatchObject({ detail: 'HTTP 500' });
    expect(long.reader.traffic.bytes).toBeLessThan(300_000);
    await long.close();
  });

  it('loses only what no text in Postgres can hold: U+0000 and halves of surrogate pairs', async () => {
    const name = String.raw`a\u0000b \ud83d\ude00 \uD83D \ude00\ud83d \\u0000 \\\ud83d\\ \" é`;
    const odd = await answering((_request, response) => response.end(`{"id":"x","name":"${name}"}`));
    expect(await readOrganization(odd.reader)).toEqual({
      id: 'x',
      name: 'a\ufffdb 😀 \ufffd \ufffd\ufffd \\u0000 \\\ufffd\\ " é',
    });
    await odd.close();
  });
});

describe('an unreachable server', () => {
  it.each([
    ['http://127.0.0.1:1', 'the connection was refused'],
    ['https://anthropic.invalid', 'the host name'],
  ])('(%s) is an outage', async (baseUrl, detail) => {
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) vi.stubEnv(name, '');
    const transport = createTransport({ baseUrl, maxReplyBytes: 1000 });
    const error = await failureOf(readOrganization(transport.readerFor(adminKey(KEY), new AbortController().signal)));
    expect(error.code).toBe('upstream_unavailable');
    expect(error.detail).toContain(detail);
    await transport.close();
    vi.unstubAllEnvs();
  });
});

describe('a request', () => {
  it('is a GET with its four headers and nothing else', async () => {
    const seen: unknown[] = [];
    const server = await answering((request, response) => {
      const { 'x-api-key': key, 'anthropic-version': version, 'user-agent': agent, ...others } = request.headers;
      seen.push(request.method, request.url, key, version, agent, Object.keys(others).sort());
      response.end('{"id":"x","name":"y"}');
    });
    await readOrganization(server.reader);
    expect(seen).toEqual(['GET', ME, KEY, '2023-06-01', `Meterline/${VERSION}`, ['connection', 'host']]);
    await server.close();
  });

  it('goes below the path of the base address', async () => {
    const paths: (string | undefined)[] = [];
    const server = await answering((request, response) => {
      paths.push(request.url);
      response.end('{"id":"x","name":"y"}');
    });
    const transport = createTransport({ baseUrl: `${server.url}/gate/`, maxReplyBytes: 1000 });
    await readOrganization(transport.readerFor(adminKey(KEY), new AbortController().signal));
    expect(paths).toEqual([`/gate${ME}`]);
    await transport.close();
    await server.close();
  });

  it('can be for no other path, in types and at run time', async () => {
    expectTypeOf<keyof AnthropicReader>().toEqualTypeOf<'get' | 'traffic'>();
    expectTypeOf<ReadablePath>().toEqualTypeOf<
      | '/v1/organizations/me'
      | '/v1/organizations/workspaces'
      | '/v1/organizations/cost_report'
      | '/v1/organizations/usage_report/messages'
    >();
    const reader = up.reader();
    for (const path of ['/v1/organizations/api_keys', '/v1/messages', `${ME}/../api_keys`, `${ME}?x=1`]) {
      // @ts-expect-error Only the four paths can be asked for.
      await expect(reader.get(path, [], () => null)).rejects.toThrow(TypeError);
    }
    expect(up.simulator.control.requests().total).toBe(0);
    expect(reader.traffic.requests).toBe(0);
  });

  it('follows no redirect, so that no other host sees the key', async () => {
    let requests = 0;
    const elsewhere = await answering((_request, response) => {
      requests += 1;
      response.end('{"id":"x","name":"y"}');
    });
    for (const location of [elsewhere.url + ME, `${up.simulator.url}${ME}`]) await met({ kind: 'redirect', location });
    expect(requests).toBe(0);
    expect(up.simulator.control.requests().total).toBe(2);
    await elsewhere.close();
  });

  it('is not tried again by itself', async () => {
    for (const kind of ['reset', 'status', 'rate_limited', 'cut_short'] as const) {
      up.simulator.control.resetCounters();
      await met({ kind });
      expect(up.simulator.control.requests().total, kind).toBe(1);
    }
  });

  it.each(['stall_headers', 'stall_body', 'drip'] as const)('that is aborted ends at once: %s', async (kind) => {
    const patient = await upstream();
    patient.simulator.control.fault({ kind });
    const controller = new AbortController();
    const reading = readOrganization(patient.reader({ signal: controller.signal }));
    const started = Date.now();
    await Promise.all([
      expect(reading).rejects.toThrow('stop it'),
      until('the request', () => patient.simulator.control.requests().total === 1).then(() => {
        controller.abort(new Error('stop it'));
      }),
    ]);
    expect(Date.now() - started).toBeLessThan(5_000);
    await expect(readOrganization(patient.reader({ signal: controller.signal }))).rejects.toThrow('stop it');
    await patient.close();
  });

  it('is counted with the bytes of its reply, also if it fails', async () => {
    const reader = up.reader();
    await allDays(readCostDays(reader, WEEK));
    up.simulator.control.fault({ kind: 'status', status: 500 });
    await failureOf(readOrganization(reader));
    expect(reader.traffic).toEqual({ requests: 2, bytes: up.simulator.control.requests().bytes_sent });
  });
});

describe('a proxy', () => {
  it('is used for every host except loopback', async () => {
    const said: string[] = [];
    const proxy = createServer((socket) => {
      socket.once('data', (data) => {
        said.push(data.toString());
        socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const proxySettings = { url, noProxy: '' };

    const near = createTransport({ baseUrl: up.simulator.url, maxReplyBytes: 10_000, proxy: proxySettings });
    expect(await readOrganization(near.readerFor(adminKey(up.key), new AbortController().signal))).toHaveProperty('id');
    expect(said).toEqual([]);

    const far = createTransport({ baseUrl: 'https://anthropic.invalid', maxReplyBytes: 10_000, proxy: proxySettings });
    const error = await failureOf(readOrganization(far.readerFor(adminKey(KEY), new AbortController().signal)));
    expect(error.code).toBe('upstream_unavailable');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^CONNECT anthropic\.invalid:443 /);
    expect(said[0]).not.toContain(KEY);
    await near.close();
    await far.close();
    proxy.close();
  });
});
