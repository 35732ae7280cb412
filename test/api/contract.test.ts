import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import { allowsJson, allowsText, hasOneReading } from './fuzz/allowed.ts';
import { routesOf, schema as textSchema, type Route, type Schema } from './fuzz/routes.ts';
import { spoiltDay, spoiltJson, spoiltNumber, spoiltText } from './fuzz/spoilt.ts';
import { TODAY, startApi, type Answer, type Api } from './support.ts';

const SEED = 20261129;
/** How many random ones each gets, beside those that are always tried. */
const RUNS = 60;

const routes = routesOf(openApiDocument(endpoints));
const all = routes.flatMap((route) => Object.entries(route.query).map(([name, schema]) => ({ route, name, schema })));
/** Of a parameter with alternatives, test/api/forecast tries each. */
const parameters = all.filter(({ schema }) => schema.type !== 'object' && !('anyOf' in schema));
/** Parameters that stand for many, whose names fit a pattern. */
const families = all.filter(({ schema }) => schema.type === 'object');
/** Lists, alternatives and stored queries have parts that depend on each other: test/api/allocation and test/api/budgets try them. */
const fields = routes.flatMap((route) =>
  Object.entries(route.body ?? {})
    .map(([name, schema]) => ({ route, name, schema }))
    .filter(({ schema }) => schema.type !== 'array' && !('anyOf' in schema) && !('patternProperties' in schema)),
);

let api: Api;
beforeAll(async () => {
  api = await startApi({ waitMs: 0 });
  // What is taken is stored, and nothing waits for a verdict.
  api.temporal.isDown = true;
});
afterAll(() => api.close());

/** An id that nobody has: whatever the document allows gets as far as a 404. And the running month, which cannot be closed. */
function pathOf({ path }: Route): string {
  return path.replace('{month}', TODAY.slice(0, 7)).replaceAll(/\{\w+\}/g, randomUUID());
}

/** A query with this parameter and with those that belong to it: one day alone may lie on the wrong side of today. */
function queryOf(route: Route, name: string, text: string): string {
  const query = new URLSearchParams({ [name]: text });
  const beside = { from: 'to', to: 'from' }[name];
  if (beside !== undefined && beside in route.query && text.length === TODAY.length) query.set(beside, text);
  if (route.path === '/v1/costs/changes' && name !== 'compare') query.set('compare', 'previous');
  return query.toString();
}

const ODD = ['\n', '\u00a0', '\u200b', '\u0085', '٣', '𝟛', '😀', '-', '_', '.', ',', 'Z', 'é', '0', '9', ' ', '\ufeff'];

/** What is allowed by one schema or another, and what is nearly so. */
const ALWAYS = [
  ...[
    '',
    ' ',
    'true',
    'false',
    'TRUE',
    '1',
    '0',
    'null',
    'x',
    '😀',
    'a b',
    ' a',
    'a ',
    'a\u2028b',
    'a\u00adb',
    'a\0b',
    'tag.team',
    'tag.team,week',
    'week,day',
    'tag.',
    'tag.a,tag.a',
    Array.from({ length: 20 }, (_, index) => `tag.${index}`).join(),
    Array.from({ length: 21 }, (_, index) => `tag.${index}`).join(),
    'sk-ant-',
    'x sk-ant-x',
    'eyJ4IjoxfQ',
    'eyJ',
    'eyJ4!',
  ],
  ...[
    'day',
    'day,day',
    'month,day,month',
    'day,month',
    'day,',
    ',day',
    'day,,month',
    'token_type',
    'Bootstrap',
    'commands',
  ],
  ...['2026-02-28', '2026-02-29', '2024-02-29', '1999-12-31', '2000-01-01', '2199-12-31', '2200-01-01', '2026-13-01'],
  ...[
    '2026-01-31T06:12:00Z',
    '2026-01-31T06:12Z',
    '2026-01-31t06:12:00z',
    '2026-01-31T06:12:60Z',
    '2026-02-30T00:00:00Z',
  ],
  ...[
    '2026-01-31T06:12:00.123456789+23:59',
    '2026-01-31T06:12:00.1234567890Z',
    '2026-01-31T06:12:00',
    '2026-01-31T24:00:00Z',
  ],
];

/** A text that is allowed, with one character of it changed, one more or one less: what is nearly right. */
function nearly(example: string): fc.Arbitrary<string> {
  return fc.tuple(fc.nat(example.length), fc.constantFrom(...ODD), fc.constantFrom(0, 1)).map(([at, odd, drop]) => {
    return example.slice(0, at) + odd + example.slice(at + drop);
  });
}

/** Texts that are allowed, and those at the edges of it. */
function edgesOf({ examples = [], default: fallback, enum: known = [], ...bounds }: Schema): string[] {
  const good = [...examples, fallback, ...known].filter((one) => typeof one === 'string');
  const numbers = [bounds.minimum, bounds.maximum].flatMap((bound) =>
    bound === undefined ? [] : [bound - 1, bound, bound + 1].map(String),
  );
  const lengths = [bounds.minLength, bounds.maxLength, 24, 256, 6000, 40].flatMap((length) =>
    length === undefined ? [] : [length, length + 1],
  );
  const long = lengths.flatMap((length) => ['x'.repeat(length), '😀'.repeat(Math.min(length, 300))]);
  return [...good, ...numbers, ...long, ...ALWAYS].filter(hasOneReading);
}

function textsFor(schema: Schema): fc.Arbitrary<string> {
  const edges = edgesOf(schema);
  const changed = edges.slice(0, 3).map(nearly);
  return fc.oneof(fc.constantFrom(...edges), ...changed, spoiltText, spoiltDay, spoiltNumber).filter(hasOneReading);
}

function runsWith<T>(always: readonly T[]): { numRuns: number; examples: [T][] } {
  return { numRuns: always.length + RUNS, examples: always.map((one) => [one]) };
}

function isRefused({ status, body }: Answer): boolean {
  return status === 400 || body.code === 'key_format';
}

function send(route: Route, body: Record<string, unknown>): Promise<Answer> {
  return api.send(route.method, pathOf(route), body);
}

/** A body that has what it needs, as the examples of the document say it. */
function exampleOf(route: Route): Record<string, unknown> {
  const required = Object.entries(route.body ?? {}).filter(([name]) => route.required.includes(name));
  const body = Object.fromEntries(required.map(([name, { examples = [] }]) => [name, examples[0]]));
  // A name may be taken.
  const named = ['/v1/tokens', '/v1/channels', '/v1/reports', '/v1/budgets'];
  return named.includes(route.path) ? { ...body, name: randomUUID() } : body;
}

describe('the API accepts exactly what the document allows', () => {
  it.each(parameters.map((one) => [`${one.route.method} ${one.route.path} ?${one.name}`, one] as const))(
    '%s',
    async (_title, { route, name, schema }) => {
      const seen = new Set<boolean>();
      await fc.assert(
        fc.asyncProperty(textsFor(schema), async (text) => {
          const answer = await api.send(route.method, `${pathOf(route)}?${queryOf(route, name, text)}`);
          const isAllowed = allowsText(schema, text);
          seen.add(isAllowed);
          expect([text, answer.status, isRefused(answer)]).toEqual([text, answer.status, !isAllowed]);
        }),
        // There are dozens of filters with the same schema.
        schema.type === 'array'
          ? { seed: SEED, numRuns: 10, examples: ['', 'x', 'a b', '😀', 'a\0b'].map((one): [string] => [one]) }
          : { seed: SEED, ...runsWith(edgesOf(schema)) },
      );
      // Of texts that are checked only by what they name, none is refused as no text.
      if (!name.endsWith('connection_id')) expect([...seen].sort()).toEqual([false, true]);
    },
  );

  it.each(families.map((one) => [`${one.route.path} ?${one.name}`, one] as const))(
    'by the names and the values of the parameters that %s stands for',
    async (_title, { route, schema }) => {
      const { propertyNames, additionalProperties: value } = schema;
      const pattern = propertyNames?.pattern ?? '^$';
      const names = [
        'tag.team',
        'not.tag.team',
        'tag.',
        'not.tag.',
        'tag',
        'tags',
        'tag.a b',
        'tag.☃',
        'tag.a\0',
        'Tag.x',
      ];
      const texts = ['', 'x', ' ', '😀', 'a\0b', 'a&b=c'];
      const seen = new Set<boolean>();
      for (const [name, text] of [...names.map((one) => [one, 'x']), ...texts.map((one) => ['tag.x', one])]) {
        const isAllowed = new RegExp(pattern, 'u').test(name ?? '') && allowsText(textSchema.parse(value), text ?? '');
        const answer = await api.get(`${pathOf(route)}?${queryOf(route, name ?? '', text ?? '')}`);
        seen.add(isAllowed);
        expect([name, text, isRefused(answer)]).toEqual([name, text, !isAllowed]);
      }
      expect([...seen].sort()).toEqual([false, true]);
      const many = (count: number): string => Array.from({ length: count }, (_, index) => `tag.${index}=x`).join('&');
      const most = schema.maxProperties ?? 0;
      for (const count of [most, most + 1]) {
        const answer = await api.get(`${pathOf(route)}?${queryOf(route, 'limit', '1')}&${many(count)}`);
        expect([count, isRefused(answer)]).toEqual([count, count > most]);
      }
    },
  );

  it.each(fields.map((one) => [`${one.route.method} ${one.route.path} ${one.name}`, one] as const))(
    '%s',
    async (_title, { route, name, schema }) => {
      const whole = exampleOf(route);
      // Both days or neither: the other one is there as well.
      const beside = route.path.endsWith('/sync') ? { from: '2026-07-01', to: '2026-07-01' } : {};
      const seen = new Set<boolean>();
      const bounds = [schema.minimum, schema.maximum].filter((one) => one !== undefined);
      const numbers = [...bounds.flatMap((one) => [one - 1, one, one + 0.5, one + 1]), 31];
      const values = fc.oneof(textsFor(schema), spoiltJson);
      await fc.assert(
        fc.asyncProperty(
          values.filter((value) => typeof value !== 'string' || hasOneReading(value)),
          async (value) => {
            const answer = await send(route, { ...whole, ...beside, [name]: value });
            const isAllowed = allowsJson(schema, value);
            seen.add(isAllowed);
            expect([value, answer.status, isRefused(answer)]).toEqual([value, answer.status, !isAllowed]);
          },
        ),
        { seed: SEED, ...runsWith<unknown>([...edgesOf(schema), ...numbers, ...(schema.examples ?? [])]) },
      );
      expect([...seen].sort()).toEqual([false, true]);
    },
  );

  it.each(routes.filter(({ body }) => body !== null).map((route) => [`${route.method} ${route.path}`, route] as const))(
    'of the body of %s: what it requires, nothing unknown, and its example',
    async (_title, route) => {
      const whole = exampleOf(route);
      expect(isRefused(await send(route, whole))).toBe(false);
      expect(isRefused(await send(route, { ...whole, unknown: 1 }))).toBe(true);
      expect(route.isClosed).toBe(true);
      for (const name of Object.keys(route.body ?? {})) {
        const rest = Object.fromEntries(Object.entries(whole).filter(([other]) => other !== name));
        expect([name, isRefused(await send(route, rest))]).toEqual([name, route.required.includes(name)]);
      }
    },
  );

  it('of a sync: both days or neither', async () => {
    const route = routes.find(({ path }) => path.endsWith('/sync'));
    if (route === undefined) throw new Error('there is no route to sync');
    expect(route.dependentRequired).toEqual({ from: ['to'], to: ['from'] });
    expect(isRefused(await send(route, { from: '2026-07-01' }))).toBe(true);
    expect(isRefused(await send(route, { to: '2026-07-01' }))).toBe(true);
    expect(isRefused(await send(route, { from: '2026-07-01', to: '2026-07-01' }))).toBe(false);
    expect(isRefused(await send(route, {}))).toBe(false);
  });

  it('of the query of any route: nothing unknown', async () => {
    for (const route of routes) {
      const answer = await api.send(route.method, `${pathOf(route)}?unknown=1`);
      expect([route.path, answer.status]).toEqual([route.path, 400]);
    }
  });
});
