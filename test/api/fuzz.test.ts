import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import { FAILURES } from '../../domain/failures.ts';
import { frames } from './fuzz/frames.ts';
import { bytesOf, requestsAnywhere, requestsTo, type Known } from './fuzz/hostile.ts';
import { populate } from './fuzz/population.ts';
import { routesOf, type Route } from './fuzz/routes.ts';
import { TOKEN_CANARY } from './fuzz/spoilt.ts';
import { say, type Heard } from './fuzz/wire.ts';
import { ADMIN_TOKEN, CANARY, startApi, type Api } from './support.ts';

/** The same one unless told, so that a run says of a change what it said before it; `random` finds something new. */
const { METERLINE_FUZZ_SEED: asked = '20261124' } = process.env;
const seed = asked === 'random' ? randomInt(2 ** 31) : Number(asked);
/** How many requests each route gets. */
const RUNS = Number(process.env['METERLINE_FUZZ_RUNS'] ?? 150);
/** Frames that are never completed take as long as the server allows, all at the same time. */
const SIDE_BY_SIDE = 400;

const routes = routesOf(openApiDocument(endpoints));

let api: Api;
let known: Known;
let inputs = 0;
const statuses = new Map<string, number>();
/** The routes that did what they are for, at least once. */
const served = new Set<Route>();

beforeAll(async () => {
  api = await startApi({
    failedLoginsPerMinute: Number.MAX_SAFE_INTEGER,
    waitMs: 0,
    timeouts: { headersMs: 500, requestMs: 1_000 },
  });
  known = await populate(api, routes);
});

afterAll(async () => {
  await api.close();
  const spread = [...statuses].sort().map(([status, count]) => `${count} × ${status}`);
  process.stdout.write(`${inputs} hostile inputs (METERLINE_FUZZ_SEED=${seed}): ${spread.join(', ')}\n`);
});

/** What is wrong with a reply, whatever the request was. */
function faultsOf({ status, headers, body, all }: Heard, isHead: boolean): string[] {
  const faults: string[] = [];
  if (status === null) return ['the connection was closed without a reply'];
  if (status < 200 || status >= 500) faults.push(`it was answered with ${status}`);
  if (all.includes('CANARY')) faults.push('the reply holds a key or a token that was sent');
  if (all.includes(ADMIN_TOKEN)) faults.push('the reply holds the token of the API');
  if (status >= 400 && !isHead) faults.push(...faultsOfProblem(status, headers, body));
  return faults;
}

function faultsOfProblem(status: number, headers: Heard['headers'], body: string): string[] {
  if (headers['content-type'] !== 'application/problem+json; charset=utf-8') {
    return [`${status} is no problem document but ${String(headers['content-type'])}`];
  }
  const document: unknown = JSON.parse(body);
  expect(document).toMatchObject({ status, title: expect.any(String) as string, detail: expect.any(String) as string });
  const code = typeof document === 'object' && document !== null && 'code' in document ? String(document.code) : '';
  return Object.hasOwn(FAILURES, code) ? [] : [`its code is ${code}`];
}

async function send(
  bytes: Buffer,
  { isHead = false, route }: { isHead?: boolean; route?: Route } = {},
): Promise<string[]> {
  inputs += 1;
  const heard = await say(api.url, bytes, isHead);
  const kind = heard.status === null ? 'none' : String(heard.status);
  statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
  if (route !== undefined && !isHead && kind.startsWith('2')) served.add(route);
  return faultsOf(heard, isHead);
}

async function isAlive(): Promise<void> {
  expect((await api.get('/healthz', null)).body).toEqual({ status: 'ok' });
}

describe('whatever is sent', () => {
  it.each(routes.map((route, index) => [`${route.method} ${route.path}`, route, seed + index] as const))(
    'to %s gets a reply of its own, never a 5xx and never a secret',
    async (_name, route, own) => {
      await fc.assert(
        fc.asyncProperty(requestsTo(route, known), async (request) => {
          expect(await send(bytesOf(request), { isHead: request.method === 'HEAD', route })).toEqual([]);
        }),
        { seed: own, numRuns: RUNS },
      );
      await isAlive();
    },
  );

  it('gets the same kind of reply on any other path', async () => {
    await fc.assert(
      fc.asyncProperty(requestsAnywhere(known), async (request) => {
        expect(await send(bytesOf(request), { isHead: request.method === 'HEAD' })).toEqual([]);
      }),
      { seed, numRuns: RUNS * 3 },
    );
    await isAlive();
  });

  it('gets a reply also as broken HTTP, and holds up nothing', async () => {
    const all = fc.sample(frames, { seed, numRuns: RUNS * 3 });
    for (let from = 0; from < all.length; from += SIDE_BY_SIDE) {
      const some = all.slice(from, from + SIDE_BY_SIDE);
      const replies = await Promise.all(
        some.map(async (bytes) => ({ sent: bytes.toString('latin1'), faults: await send(bytes) })),
      );
      expect(replies.filter(({ faults }) => faults.length > 0)).toEqual([]);
    }
    await isAlive();
  });

  it('is often almost valid, so that it reaches the code behind the checks of every route', () => {
    expect(routes.filter((route) => !served.has(route))).toEqual([]);
    for (const status of ['201', '202', '400', '401', '403', '404', '409', '413', '422']) {
      expect([...statuses.keys()]).toContain(status);
    }
    expect(inputs).toBeGreaterThan(RUNS * routes.length);
  });

  it('leaves no secret and no internal error in the log', () => {
    const log = api.log();
    for (const secret of ['CANARY', ADMIN_TOKEN, CANARY, TOKEN_CANARY]) expect(log).not.toContain(secret);
    const levels = log
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { level: number }).level);
    expect(levels.length).toBeGreaterThan(1_000);
    expect(levels.filter((level) => level >= 50)).toEqual([]);
  });
});
