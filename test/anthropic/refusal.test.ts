import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOrganization } from '../../anthropic/organization.ts';
import type { FailureCode } from '../../domain/failures.ts';
import { readCostTotals } from '../support/pages.ts';
import { WEEK, answering, failureOf, upstream, type Upstream } from './support.ts';
import { adminKey } from '../support/admin-key.ts';

let up: Upstream;
beforeEach(async () => {
  up = await upstream();
});
afterEach(() => up.close());

interface Elsewhere {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: unknown;
}

/** What asking for the organization, or for a report, fails with when this answers. */
async function metWith({ status, headers = {}, body }: Elsewhere, ask: 'me' | 'report' = 'me') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  up.simulator.control.fault({ kind: 'elsewhere', times: 'always', reply: { status, headers, body: text } });
  const reader = up.reader();
  const error = await failureOf(ask === 'me' ? readOrganization(reader) : readCostTotals(reader, WEEK));
  up.simulator.control.clearFaults();
  return error;
}

const envelope = (type: string, message: string, requestId: string | null = 'req_a'): object => ({
  type: 'error',
  error: { type, message },
  ...(requestId === null ? {} : { request_id: requestId }),
});
const json = { 'content-type': 'application/json' };

/** Replies that were met in the field, or are of their kind. */
const EDGE = { status: 403, headers: json, body: { error: { type: 'forbidden', message: 'Request not allowed' } } };
const REPLIES: [name: string, reply: Elsewhere, code: FailureCode, words: RegExp][] = [
  [
    'the refusal of an edge',
    EDGE,
    'network_refused',
    /forbidden: Request not allowed \(not in the form of Anthropic's/,
  ],
  [
    "a gateway's own 401",
    {
      status: 401,
      body: { error: { message: 'unable to find token in cache', type: 'token_not_found_in_db', code: '401' } },
    },
    'network_refused',
    /token_not_found_in_db: unable to find token.*at or before 127\.0\.0\.1/,
  ],
  [
    'an address allow-list',
    {
      status: 403,
      body: envelope('permission_error', "The IP address of this request isn't in the organization's allowed range."),
    },
    'network_refused',
    /Anthropic refuses the address/,
  ],
  [
    'a network policy',
    { status: 403, body: envelope('permission_error', 'Access restricted by network policy.') },
    'network_refused',
    /network policy.*not the key/,
  ],
  [
    'a region',
    { status: 403, body: envelope('permission_error', 'Requests from your country or region are not supported.') },
    'network_refused',
    /not the key/,
  ],
  [
    'an error of a key without the id of a request',
    { status: 401, body: envelope('authentication_error', 'invalid x-api-key', null) },
    'network_refused',
    /invalid x-api-key/,
  ],
  [
    'an error of a key without the outer type',
    {
      status: 401,
      headers: { 'request-id': 'req_b' },
      body: { error: { type: 'authentication_error', message: 'no' } },
    },
    'network_refused',
    /not in the form/,
  ],
  ['a text', { status: 403, body: 'Forbidden' }, 'network_refused', /HTTP 403/],
  ['nothing at all', { status: 401, body: '' }, 'network_refused', /HTTP 401/],
  ['a proxy that wants a password', { status: 407, body: '' }, 'network_refused', /HTTP 407/],
  [
    'an address that is not of Anthropic',
    {
      status: 404,
      body: { error: { type: 'invalid_request_error', message: 'Unknown request URL: GET /v1/organizations/me' } },
    },
    'network_refused',
    /Unknown request URL/,
  ],
  ['a 400 of a gateway', { status: 400, body: { error: 'bad request' } }, 'network_refused', /HTTP 400/],
  [
    'a redirect',
    { status: 307, headers: { location: 'https://login.example.com/sso?x=1' }, body: '' },
    'network_refused',
    /a redirect to login\.example\.com, which/,
  ],
  [
    'a page with 200',
    { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<!DOCTYPE html><p>no' },
    'network_refused',
    /content type "text\/html; charset=utf-8"/,
  ],
  ['a page that says it is JSON', { status: 200, headers: json, body: ' <html>' }, 'network_refused', /is not JSON/],
  [
    'a wrong key',
    { status: 401, body: envelope('authentication_error', 'invalid x-api-key') },
    'key_invalid',
    /invalid x-api-key/,
  ],
  [
    'an expired key',
    { status: 401, body: envelope('authentication_error', 'API key has expired') },
    'key_invalid',
    /an expired key cannot be enabled again/,
  ],
  [
    'a key with other scopes',
    {
      status: 403,
      body: envelope('permission_error', "Missing required scopes. Got: ['read:analytics'] Needed: ['api:admin']"),
    },
    'key_forbidden',
    /this key carries scopes/,
  ],
  [
    'a key of no admin',
    { status: 403, body: envelope('permission_error', 'This key lacks permission') },
    'key_forbidden',
    /lacks permission/,
  ],
  [
    'a disabled organization',
    { status: 400, body: envelope('invalid_request_error', 'This organization has been disabled.') },
    'organization_disabled',
    /has been disabled/,
  ],
  [
    'a disabled organization, as a 403',
    { status: 403, body: envelope('permission_error', 'Your organization is disabled') },
    'organization_disabled',
    /is disabled/,
  ],
  [
    'a type of error that is new',
    { status: 401, body: envelope('moon_error', 'no') },
    'upstream_refused',
    /moon_error/,
  ],
];

describe('a refusal', () => {
  it.each(REPLIES)('of %s is recognized', async (_name, reply, code, words) => {
    for (const ask of ['me', 'report'] as const) {
      const error = await metWith(reply, ask);
      expect([error.code, error.detail]).toEqual([code, expect.stringMatching(words)]);
    }
  });

  it("of an individual account counts only in Anthropic's form, and only on the path of the organization", async () => {
    const individual = { status: 404, body: envelope('not_found_error', 'Not found') };
    expect((await metWith(individual)).code).toBe('individual_account');
    expect((await metWith(individual, 'report')).code).toBe('upstream_refused');
    expect((await metWith({ status: 404, body: envelope('not_found_error', 'Not found', null) })).code).toBe(
      'network_refused',
    );
  });

  it('takes the id of the request from the header or from the body', async () => {
    const body = envelope('authentication_error', 'invalid x-api-key', null);
    expect(await metWith({ status: 401, headers: { 'request-id': 'req_h' }, body })).toMatchObject({
      code: 'key_invalid',
      requestId: 'req_h',
    });
  });

  it('that quotes the beginning of a key of any kind does not show it', async () => {
    const key = `personal.${'A1b2'.repeat(12)}`;
    const gateway = await answering((_request, response) => {
      response.writeHead(401).end(JSON.stringify(envelope('authentication_error', `no such key ${key.slice(0, 20)}…`)));
    });
    const reader = gateway.transport.readerFor(adminKey(key), new AbortController().signal);
    const error = await failureOf(readOrganization(reader));
    expect(error.detail).toContain('no such key');
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain(key.slice(0, 12));
    await gateway.close();
  });
});

describe('a redirect to a host that contains the key', () => {
  it.each([
    ['in the clear', (key: string) => key],
    ['with an encoded letter', (key: string) => `%73${key.slice(1)}`],
  ])('does not show the key: %s', async (_how, spelled) => {
    const key = `sk-ant-admin01-${'A1b2'.repeat(8)}`;
    const gateway = await answering((_request, response) => {
      response.writeHead(302, { location: `https://${spelled(key)}.example.com/` }).end();
    });
    const reader = gateway.transport.readerFor(adminKey(key), new AbortController().signal);
    const { detail } = await failureOf(readOrganization(reader));
    expect(detail).toContain('a redirect to an address that cannot be shown,');
    expect(detail.toLowerCase()).not.toContain('a1b2');
    await gateway.close();
  });
});

describe('a compressed reply', () => {
  it.each([{ 'content-encoding': 'gzip', ...json }, json])(
    'is a failure of the network, with the headers %o',
    async (headers) => {
      const between = await answering((_request, response) => {
        response.writeHead(200, headers).end(gzipSync('{"id":"x","name":"y"}'));
      });
      const error = await failureOf(readOrganization(between.reader));
      expect(error).toMatchObject({ code: 'network_refused' });
      expect(error.detail).toContain('compressed (gzip)');
      await between.close();
    },
  );
});

describe('an organization', () => {
  it.each([null, '', 7, undefined])('named %o gets its id as its name', async (name) => {
    up.simulator.control.fault({
      kind: 'elsewhere',
      reply: { status: 200, headers: json, body: JSON.stringify({ id: 'org-1', type: 'organization', name }) },
    });
    expect(await readOrganization(up.reader())).toEqual({ id: 'org-1', name: 'org-1' });
  });
});
