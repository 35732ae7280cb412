import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { openApiDocument } from '../../api/openapi.ts';
import { allowsJson, allowsText, hasOneReading } from './fuzz/allowed.ts';
import { routesOf, type Route, type Schema } from './fuzz/routes.ts';
import { spoiltDay, spoiltJson, spoiltNumber, spoiltText } from './fuzz/spoilt.ts';
import { startApi, type Answer, type Api } from './support.ts';

const SEED = 20261129;
const RUNS = 80;

const routes = routesOf(openApiDocument(endpoints));
const parameters = routes.flatMap((route) =>
  Object.entries(route.query).map(([name, schema]) => ({ route, name, schema })),
);
const fields = routes.flatMap((route) =>
  Object.entries(route.body ?? {}).map(([name, schema]) => ({ route, name, schema })),
);

let api: Api;
beforeAll(async () => {
  api = await startApi({ waitMs: 0 });
  // What is taken is stored, and nothing waits for a verdict.
  api.temporal.isDown = true;
});
afterAll(() => api.close());

/** An id that nobody has: whatever the document allows gets as far as a 404. */
function pathOf({ path }: Route): string {
  return path.replaceAll(/\{\w+\}/g, randomUUID());
}

const ODD = ['\n', '\u00a0', '\u200b', '\u0085', '٣', '𝟛', '😀', '-', '_', '.', ',', 'Z', 'é', '0', '9', ' ', '\ufeff'];

/** A text that is allowed, with one character of it changed, one more or one less: what is nearly right. */
function nearly(example: string): fc.Arbitrary<string> {
  return fc.tuple(fc.nat(example.length), fc.constantFrom(...ODD), fc.constantFrom(0, 1)).map(([at, odd, drop]) => {
    return example.slice(0, at) + odd + example.slice(at + drop);
  });
}

function textsFor({
  examples = [],
  default: fallback,
  enum: known = [],
  minimum,
  maximum,
}: Schema): fc.Arbitrary<string> {
  const good = [...examples, fallback, ...known].filter((one) => typeof one === 'string');
  const bounds = [minimum, maximum].filter((one) => one !== undefined);
  const edges = bounds.flatMap((bound) => [bound - 1, bound, bound + 1].map(String));
  return fc.oneof(
    ...(good.length === 0 ? [] : [fc.constantFrom(...good), ...good.slice(0, 3).map(nearly)]),
    ...(edges.length === 0 ? [] : [fc.constantFrom(...edges)]),
    fc.constantFrom('true', 'false', 'x'.repeat(100), '😀'.repeat(100), '😀'.repeat(101)),
    spoiltText,
    spoiltDay,
    spoiltNumber,
  );
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
  return route.path === '/v1/tokens' ? { ...body, name: randomUUID() } : body;
}

describe('the API takes exactly what the document allows', () => {
  it.each(parameters.map((one) => [`${one.route.method} ${one.route.path} ?${one.name}`, one] as const))(
    '%s',
    async (_title, { route, name, schema }) => {
      const seen = new Set<boolean>();
      await fc.assert(
        fc.asyncProperty(textsFor(schema).filter(hasOneReading), async (text) => {
          const answer = await api.send(route.method, `${pathOf(route)}?${name}=${encodeURIComponent(text)}`);
          const isAllowed = allowsText(schema, text);
          seen.add(isAllowed);
          expect([text, answer.status, isRefused(answer)]).toEqual([text, answer.status, !isAllowed]);
        }),
        { seed: SEED, numRuns: RUNS },
      );
      // Of texts that are checked only by what they name, none is refused as no text.
      if (schema.format !== 'uuid') expect([...seen].sort()).toEqual([false, true]);
    },
  );

  it.each(fields.map((one) => [`${one.route.method} ${one.route.path} ${one.name}`, one] as const))(
    '%s',
    async (_title, { route, name, schema }) => {
      const whole = exampleOf(route);
      // Both days or neither: the other one is there as well.
      const beside = route.path.endsWith('/sync') ? { from: '2026-07-01', to: '2026-07-01' } : {};
      const seen = new Set<boolean>();
      const edges = [schema.minimum, schema.maximum].flatMap((one) =>
        one === undefined ? [] : [one - 1, one, one + 0.5],
      );
      const values = fc.oneof(textsFor(schema), spoiltJson, fc.constantFrom(...edges, 31));
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
        { seed: SEED, numRuns: RUNS },
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
