import fc from 'fast-check';
import { ADMIN_TOKEN, CANARY } from '../support.ts';
import { schema, type Route, type Schema } from './routes.ts';
import { BODIES, FIELDS, TOKEN_CANARY, spoiltDay, spoiltJson, spoiltNumber, spoiltText, unstorable } from './spoilt.ts';

/** What requests may be valid with. */
export interface Known {
  readonly ids: readonly string[];
  /** Of tokens that nobody uses. */
  readonly tokenIds: readonly string[];
  /** Of sessions that nobody uses. */
  readonly sessionIds: readonly string[];
  readonly channelIds: readonly string[];
  readonly budgetIds: readonly string[];
  readonly anomalyIds: readonly string[];
  readonly reportIds: readonly string[];
  /** Of deliveries that failed. */
  readonly deliveryIds: readonly string[];
  /** Of staged keys, the same in every connection that has not ended. */
  readonly keyIds: readonly string[];
  readonly viewerToken: string;
  /** What lists gave as `next`, by the paths of their routes. */
  readonly cursors: ReadonlyMap<string, string>;
}

/** A request as it goes over the wire, and its head apart for whoever has to read a counterexample. */
export interface Hostile {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | null;
}

const SECRETS_OF_CHANNELS = ['secret', 'routing_key'];

function plausibleText(name: string, given: Schema, known: Known): fc.Arbitrary<string> {
  if (name === 'token') return fc.constantFrom(known.viewerToken, TOKEN_CANARY, CANARY);
  if (name === 'connection_id' || name === 'connections') return fc.constantFrom(...known.ids);
  if (given.enum !== undefined) return fc.constantFrom(...given.enum);
  if (given.type === 'boolean') return fc.constantFrom('true', 'false');
  if (given.type === 'integer') return fc.integer({ min: given.minimum ?? 0, max: given.maximum ?? 100 }).map(String);
  if (given.format === 'date')
    return fc.constantFrom('2026-07-01', '2026-07-30', '2026-07-31', '2026-08-01', '2000-01-01');
  const texts = [...(given.examples ?? []), given.default].filter((text) => typeof text === 'string');
  // A key of Anthropic has the form of the canary; the secrets of channels have forms of their own.
  if (given.format === 'password' && !SECRETS_OF_CHANNELS.includes(name)) return fc.constant(CANARY);
  return texts.length === 0 ? fc.string({ minLength: 1 }) : fc.constantFrom(...texts);
}

function plausibleJson(name: string, given: Schema, known: Known): fc.Arbitrary<unknown> {
  if (given.type === 'array') {
    if (given.examples !== undefined && given.examples.length > 0) return fc.constantFrom(...given.examples, []);
    const items = plausibleJson(name, schema.parse(given.items), known);
    return fc.array(items, { minLength: given.minItems ?? 0, maxLength: 3 });
  }
  if (given.type === 'object') {
    const fields = Object.entries(given.properties ?? {});
    return fc.record(
      Object.fromEntries(fields.map(([field, one]) => [field, plausibleJson(field, schema.parse(one), known)])),
      { requiredKeys: [] },
    );
  }
  if (given.type === 'boolean') return fc.boolean();
  const text = plausibleText(name, given, known);
  return given.type === 'integer' ? text.map(Number) : text;
}

/** A cursor that a list gave; or one with another thing at one place in it; or any JSON in the form of one. */
function cursor(route: Route, { cursors }: Known): fc.Arbitrary<string> {
  const packed = (position: unknown): string => Buffer.from(JSON.stringify({ at: position })).toString('base64url');
  const own = fc.constantFrom(cursors.get(route.path) ?? '');
  const given = fc.oneof({ arbitrary: own, weight: 5 }, { arbitrary: fc.constantFrom(...cursors.values()), weight: 1 });
  const other = fc.oneof(spoiltJson, spoiltText, spoiltDay, unstorable);
  const spoilt = fc.tuple(given, fc.nat(), other).map(([text, at, value]) => packed(withOther(text, at, value)));
  return fc.oneof(
    { arbitrary: given, weight: 2 },
    { arbitrary: spoilt, weight: 4 },
    spoiltJson.map(packed),
    spoiltText,
  );
}

function withOther(text: string, at: number, other: unknown): unknown {
  const { at: position } = JSON.parse(Buffer.from(text, 'base64url').toString()) as { at: unknown };
  if (typeof position !== 'object' || position === null) return other;
  const names = Object.keys(position);
  const name = names[at % names.length] ?? '';
  const inner: unknown = Reflect.get(position, name);
  const replaced = Array.isArray(inner) && at % 3 > 0 ? inner.map(() => other) : other;
  return { ...position, [name]: replaced };
}

function spoiltFor({ type, format }: Schema): fc.Arbitrary<string> {
  if (format === 'date') return spoiltDay;
  return type === 'integer' ? spoiltNumber : spoiltText;
}

/** Text as a part of an address. Halves of surrogate pairs have no encoding. */
function encoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'));
}

/** A value that is valid more often than not, so that what lies behind the checks is reached, too. */
function mostly<T>(valid: fc.Arbitrary<T>, spoilt: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: valid, weight: 6 }, { arbitrary: spoilt, weight: 1 });
}

function rarely<T>(common: T, rare: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fc.constant(common), weight: 12 }, { arbitrary: rare, weight: 1 });
}

/** Parameters that the document describes together, by a pattern. */
const TAG_NAMES = [
  'tag.team',
  'not.tag.team',
  'tag.cost center',
  'not.tag.☃',
  'tag.tag.x',
  'tag.',
  'tag.\0',
  'not.tag',
];

type Pair = readonly [name: string, value: string];

function queryOf(route: Route, known: Known): fc.Arbitrary<string> {
  const own = Object.entries(route.query).map(([name, given]): fc.Arbitrary<Pair> => {
    if (given.type === 'object') return fc.tuple(fc.constantFrom(...TAG_NAMES), mostly(fc.string(), spoiltText));
    const value = name === 'after' ? cursor(route, known) : mostly(plausibleText(name, given, known), spoiltFor(given));
    return value.map((text) => [name, text]);
  });
  const strange = fc.tuple(fc.oneof(spoiltText, fc.constantFrom('limit', 'from', 'limit[]', 'from[$gt]')), spoiltText);
  const all = own.length === 0 ? fc.constant<Pair[]>([]) : fc.subarray(own).chain((some) => fc.tuple(...some));
  return fc
    .record({
      own: all,
      more: rarely<Pair[]>([], fc.array(strange, { minLength: 1, maxLength: 2 })),
      twice: rarely(false, fc.constant(true)),
    })
    .chain(({ own: given, more, twice }) => spelled([...given, ...more, ...(twice ? given.slice(0, 1) : [])]));
}

/** As a client would write a query, or as none would. */
function spelled(pairs: readonly Pair[]): fc.Arbitrary<string> {
  if (pairs.length === 0) return rarely('', fc.constantFrom('?', '?&', '?=', '?%', '??', '?a=b?c', '#x', '?#'));
  const wellFormed = pairs.map((pair) => pair.map((text) => encoded(text)).join('=')).join('&');
  const raw = pairs.map((pair) => pair.join('=')).join('&');
  return rarely(`?${wellFormed}`, fc.constantFrom(`?${raw}`, `?${wellFormed}&`, `?${wellFormed}%`, `?&&${wellFormed}`));
}

function targetOf(route: Route, known: Known): fc.Arbitrary<string> {
  const own: Readonly<Record<string, readonly string[]>> = {
    tokens: known.tokenIds,
    sessions: known.sessionIds,
    channels: known.channelIds,
    budgets: known.budgetIds,
    anomalies: known.anomalyIds,
    reports: known.reportIds,
    deliveries: known.deliveryIds,
  };
  const ids = own[route.path.split('/')[2] ?? ''] ?? known.ids;
  const id = fc.oneof(
    { arbitrary: fc.constantFrom(...ids), weight: 6 },
    { arbitrary: fc.constantFrom(...ids).map((one) => one.toUpperCase()), weight: 1 },
    { arbitrary: spoiltText.map((text) => encoded(text)), weight: 2 },
    { arbitrary: fc.constantFrom('%', '%c0%80', '%zz', '..', '.', '%2e%2e', '', 'x/y', '%2f', ';', '\0'), weight: 1 },
  );
  const keyId = fc.oneof({ arbitrary: fc.constantFrom(...known.keyIds), weight: 6 }, { arbitrary: id, weight: 1 });
  const month = fc.oneof(
    { arbitrary: fc.constantFrom('2026-05', '2026-06', '2026-07', '2030-01'), weight: 6 },
    { arbitrary: fc.constantFrom('2026-00', '2026-13', '1999-12', '2026-7', '2026-07-01'), weight: 1 },
    { arbitrary: id, weight: 1 },
  );
  const path = fc.tuple(id, keyId, month).map(([one, key, when]) =>
    route.path
      .replace('{id}', () => one)
      .replace('{keyId}', () => key)
      .replace('{month}', () => when),
  );
  const shapes = (plain: string): fc.Arbitrary<string> =>
    rarely(
      plain,
      fc.constantFrom(
        `${plain}/`,
        `/${plain}`,
        plain.toUpperCase(),
        `http://evil.example${plain}`,
        `${plain}/..`,
        `${plain}%2f`,
      ),
    );
  return fc.tuple(path.chain(shapes), queryOf(route, known)).map(([one, query]) => one + query);
}

const AUTHORIZATIONS = [
  ...[
    'Bearer',
    'Bearer ',
    'bearer',
    `Bearer  ${ADMIN_TOKEN}`,
    `bearer ${ADMIN_TOKEN}`,
    `Basic ${TOKEN_CANARY}`,
    ADMIN_TOKEN,
  ],
  ...[
    `Bearer ${TOKEN_CANARY}`,
    `Bearer ${CANARY}`,
    `Bearer ${ADMIN_TOKEN}, Bearer ${TOKEN_CANARY}`,
    `Bearer\t${ADMIN_TOKEN}`,
  ],
  ...[
    `Bearer ${'x'.repeat(3_000)}`,
    'Bearer \u00ff\u0080',
    'Digest username="x"',
    ',',
    '"',
    `Token token=${TOKEN_CANARY}`,
  ],
];

function authorization({ viewerToken }: Known): fc.Arbitrary<Pair[]> {
  const one = (token: string): Pair[] => [['Authorization', token]];
  return fc.oneof(
    { arbitrary: fc.constant(one(`Bearer ${ADMIN_TOKEN}`)), weight: 20 },
    { arbitrary: fc.constant(one(`Bearer ${viewerToken}`)), weight: 2 },
    { arbitrary: fc.constantFrom(...AUTHORIZATIONS).map(one), weight: 2 },
    { arbitrary: spoiltText.map((text) => one(`Bearer ${text}`)), weight: 1 },
    { arbitrary: fc.constant<Pair[]>([]), weight: 1 },
    {
      arbitrary: fc.constantFrom(...AUTHORIZATIONS).map((text) => [...one(text), ...one(`Bearer ${ADMIN_TOKEN}`)]),
      weight: 1,
    },
  );
}

/** Headers that a server or a framework gives a meaning to. None of them says how long a request is. */
const MEANINGFUL: readonly Pair[] = [
  ...['100-continue', '100-Continue, x', 'nothing', '', CANARY].map((value): Pair => ['Expect', value]),
  ...['*/*', 'text/html', 'application/xml;q=1', '', ';;', 'x'.repeat(2_000)].map((value): Pair => ['Accept', value]),
  ...['bytes=999999999-', 'bytes=-1', 'bytes=5-2', 'bytes=x', 'bytes=0-0,1-1'].map((value): Pair => ['Range', value]),
  ...['*', '"x"', 'W/"x"', ',,'].flatMap((value): Pair[] => [
    ['If-Match', value],
    ['If-None-Match', value],
  ]),
  ...['Thu, 01 Jan 1970 00:00:00 GMT', 'x'].flatMap((value): Pair[] => [
    ['If-Modified-Since', value],
    ['If-Unmodified-Since', value],
  ]),
  ...['DELETE', 'PURGE'].map((value): Pair => ['X-HTTP-Method-Override', value]),
  ...['evil.example', '', 'x:y', '[::1', 'a b', '\u00ff', `${CANARY}.example`].map((value): Pair => ['Host', value]),
  ...['websocket', 'h2c', TOKEN_CANARY].map((value): Pair => ['Upgrade', value]),
  ...['upgrade', 'keep-alive', 'close', 'content-length', 'authorization', ''].map((value): Pair => [
    'Connection',
    value,
  ]),
  ...['gzip', 'identity', 'br', 'gzip, gzip', ''].map((value): Pair => ['Content-Encoding', value]),
  ...['127.0.0.1', 'x', CANARY, 'for=x'].flatMap((value): Pair[] => [
    ['X-Forwarded-For', value],
    ['Forwarded', value],
  ]),
  ...['https', 'javascript'].map((value): Pair => ['X-Forwarded-Proto', value]),
  ...['https://evil.example', 'null'].map((value): Pair => ['Origin', value]),
  ...['same-origin', 'cross-site', 'none', CANARY].map((value): Pair => ['Sec-Fetch-Site', value]),
  ...[CANARY, 'a=b', '\u00ff'].flatMap((value): Pair[] => [
    ['Cookie', value],
    ['X-Request-Id', value],
    ['X-Api-Key', value],
  ]),
  ...['x', '1'].flatMap((value): Pair[] => [
    ['__proto__', value],
    ['constructor', value],
    ['TE', value],
    ['Trailer', value],
  ]),
];

const CONTENT_TYPES = [
  ...[
    'application/json; charset=utf-8',
    'application/json; charset=latin1',
    'application/json; charset=x',
    'application/json;',
  ],
  ...[
    'APPLICATION/JSON',
    'application/problem+json',
    'application/jsonp',
    'text/plain',
    'multipart/form-data; boundary=x',
    '',
  ],
  ...[
    'application/x-www-form-urlencoded',
    'application/json, text/plain',
    '*/*',
    'json',
    '\u00ff',
    CANARY,
    '__proto__',
  ],
];

/** Header values cannot hold these without being other headers; the tests of frames send such. */
function headerText(text: string): string {
  return text.replace(/[\r\n\0]/g, '').replace(/[^\t\x20-\xff]/g, '?');
}

function headers(known: Known): fc.Arbitrary<Pair[]> {
  const strange = fc.oneof(
    { arbitrary: fc.constantFrom(...MEANINGFUL), weight: 4 },
    {
      arbitrary: fc.tuple(fc.constantFrom('X-Strange', 'Accept-Language', 'Referer', 'User-Agent', 'Via'), spoiltText),
      weight: 1,
    },
  );
  return fc
    .tuple(authorization(known), rarely<Pair[]>([], fc.array(strange, { minLength: 1, maxLength: 3 })))
    .map(([first, more]) => [...first, ...more.map(([name, value]): Pair => [name, headerText(value)])]);
}

function fieldsOf(
  fields: NonNullable<Route['body']>,
  required: Route['required'],
  known: Known,
): fc.Arbitrary<Record<string, unknown>> {
  const values = Object.entries(fields).map(([name, given]) =>
    fc
      .tuple(
        // Some fields exclude each other.
        required.includes(name) ? rarely(true, fc.constant(false)) : fc.nat(2).map((one) => one === 0),
        mostly(plausibleJson(name, given, known), fc.oneof(spoiltJson, spoiltFor(given))),
      )
      .map(([isThere, value]): [string, unknown][] => (isThere ? [[name, unlabelled(name, value)]] : [])),
  );
  const more = fc.tuple(fc.constantFrom(...FIELDS, 'more'), spoiltJson);
  return fc
    .tuple(
      fc.tuple(...values),
      rarely<[string, unknown][]>(
        [],
        more.map((one) => [one]),
      ),
    )
    .map(([own, others]) => Object.fromEntries([...own.flat(), ...others]));
}

/** A name is what people call a connection, and is shown: somebody else's token in it would be no leak of ours. */
function unlabelled(name: string, value: unknown): unknown {
  return name === 'name' && typeof value === 'string' ? value.replaceAll(TOKEN_CANARY, 'token') : value;
}

function body(route: Route, known: Known): fc.Arbitrary<string | null> {
  const junk = fc.oneof(fc.constantFrom(...BODIES), fc.string({ unit: 'binary', maxLength: 60 }));
  if (route.body === null) return rarely<string | null>(null, fc.oneof(junk, fc.constant('{}')));
  const json = fieldsOf(route.body, route.required, known).map((fields) => JSON.stringify(fields));
  return fc.oneof(
    { arbitrary: json, weight: 8 },
    { arbitrary: junk, weight: 2 },
    { arbitrary: fc.constant(null), weight: 1 },
  );
}

const METHODS = [
  'GET',
  'HEAD',
  'OPTIONS',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'PURGE',
  'M-SEARCH',
];

/** Requests to one route: valid ones with a few things changed, and some with everything changed. */
export function requestsTo(route: Route, known: Known): fc.Arbitrary<Hostile> {
  return fc
    .record({
      method: rarely(route.method, fc.constantFrom(...METHODS)),
      target: targetOf(route, known),
      headers: headers(known),
      contentType: rarely<string | null>('application/json', fc.option(fc.constantFrom(...CONTENT_TYPES))),
      body: body(route, known),
    })
    .map(({ contentType, headers: given, ...request }) => ({
      ...request,
      headers:
        request.body === null || contentType === null ? given : [...given, ['Content-Type', contentType] as const],
    }));
}

/** Requests to no route in particular. */
export function requestsAnywhere(known: Known): fc.Arbitrary<Hostile> {
  const places = [
    '/',
    '/v1',
    '/v1/',
    '/v1/connections',
    '/docs',
    '/docs/',
    '/docs/swagger-ui.css',
    '/docs/swagger-ui.css.map',
  ];
  const place = fc.oneof(
    fc.constantFrom(
      ...places,
      '/docs/package.json',
      '/docs/..',
      '/openapi.json',
      '/metrics',
      '/healthz/x',
      '*',
      '/v1/%',
      '',
    ),
    fc.array(spoiltText, { maxLength: 4 }).map((parts) => `/${parts.map((part) => encoded(part)).join('/')}`),
    spoiltText.map((text) => `/v1/${text}`),
  );
  return fc.record({
    method: fc.constantFrom(...METHODS),
    target: place,
    headers: headers(known),
    body: rarely<string | null>(null, fc.constantFrom(...BODIES)),
  });
}

/** The bytes of a request. Its length is told as it is; what else it says may be wrong. */
export function bytesOf({ method, target, headers: given, body: text }: Hostile): Buffer {
  const content = Buffer.from(text ?? '', 'utf8');
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...(given.some(([name]) => name === 'Host') ? [] : ['Host: 127.0.0.1']),
    ...given.map(([name, value]) => `${name}: ${value}`),
    ...(text === null ? [] : [`Content-Length: ${content.length}`]),
  ];
  // Header values go as latin1, as Node reads them; what of a target is beyond that, as UTF-8.
  const head = lines.map((line, index) => Buffer.from(line, index === 0 ? 'utf8' : 'latin1'));
  return Buffer.concat([...head.flatMap((line) => [line, Buffer.from('\r\n')]), Buffer.from('\r\n'), content]);
}
