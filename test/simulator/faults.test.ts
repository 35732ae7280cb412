import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FaultInput, Simulator } from '../../simulator/simulator.ts';
import {
  BOTH,
  COST,
  ME,
  WORKSPACES,
  costPage,
  errorReply,
  firstKey,
  get,
  headers,
  readCost,
  refusal,
  simulate,
} from './client.ts';

const QUERY = `${COST}?starting_at=2026-11-02T00:00:00Z&ending_at=2026-11-08T00:00:00Z&limit=3&${BOTH}`;

let simulator: Simulator;
beforeEach(async () => {
  simulator = await simulate();
});
afterEach(() => simulator.close());

const faulty = async (fault: FaultInput, path = QUERY): Promise<Response> => {
  simulator.control.fault(fault);
  return get(simulator, path);
};

describe('an error', () => {
  it.each([
    [402, 'billing_error'],
    [409, 'conflict_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'api_error'],
    [504, 'timeout_error'],
    [529, 'overloaded_error'],
  ])('of status %i has its type', async (status, type) => {
    expect(await refusal(await faulty({ kind: 'status', status }))).toMatch(`${status} ${type}`);
    expect((await get(simulator, QUERY)).status).toBe(200);
  });

  it.each([undefined, '0', '86400', 7, 'Wed, 21 Oct 2026 07:28:00 GMT'])(
    'of too many requests may say retry-after %s',
    async (retryAfter) => {
      const reply = await faulty({ kind: 'rate_limited', retryAfter, rateLimitReset: '2026-11-12T10:31:00Z' });
      expect(reply.headers.get('retry-after')).toBe(retryAfter === undefined ? null : String(retryAfter));
      expect(reply.headers.get('anthropic-ratelimit-requests-reset')).toBe('2026-11-12T10:31:00Z');
      expect(await refusal(reply)).toMatch('429 rate_limit_error');
    },
  );

  it('of too many requests may say it as a date to come', async () => {
    const reply = await faulty({ kind: 'rate_limited', retryAfter: 'date:90' });
    expect(Date.parse(reply.headers.get('retry-after') ?? '') - Date.now()).toBeGreaterThan(80_000);
  });

  it('may lack its request id or have a type never seen', async () => {
    expect(errorReply.parse(await (await faulty({ kind: 'no_request_id' })).json()).request_id).toBeUndefined();
    expect(await refusal(await faulty({ kind: 'unknown_error_type', status: 418 }))).toMatch('418 quota_epoch_error');
  });

  it('may be a rejected key from the third request on', async () => {
    simulator.control.fault({ kind: 'unauthorized', after: 2, times: 'always' });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await get(simulator, ME)).status);
    expect(statuses).toEqual([200, 200, 401, 401]);
    simulator.control.clearFaults();
    expect(await refusal(await faulty({ kind: 'forbidden' }, ME))).toMatch('403 permission_error');
  });

  it('may be a redirect to another host', async () => {
    const reply = await faulty({ kind: 'redirect', location: 'http://127.0.0.2:1/steal' });
    expect([reply.status, reply.headers.get('location')]).toEqual([302, 'http://127.0.0.2:1/steal']);
  });
});

describe('a body', () => {
  it('may be HTML, with a 502 and with a 200', async () => {
    for (const [kind, status] of [
      ['html_error', 502],
      ['html_ok', 200],
    ] as const) {
      const reply = await faulty({ kind });
      expect([reply.status, reply.headers.get('content-type')]).toEqual([status, 'text/html']);
      expect(await reply.text()).toContain('<html>');
    }
  });

  it('may be half of its JSON, or JSON of another shape', async () => {
    await expect((await faulty({ kind: 'truncated_json' })).json()).rejects.toThrow(SyntaxError);
    expect(await (await faulty({ kind: 'wrong_shape' })).json()).toEqual({ data: null });
  });

  it.each(['cut_short', 'reset'] as const)('may end too early: %s', async (kind) => {
    await expect(faulty({ kind }).then((reply) => reply.text())).rejects.toThrow();
    expect((await get(simulator, QUERY)).status).toBe(200);
  });

  it('may never begin, or never end', async () => {
    simulator.control.fault({ kind: 'stall_headers' });
    const signal = AbortSignal.timeout(150);
    await expect(fetch(simulator.url + ME, { headers: headers(simulator), signal })).rejects.toThrow('timeout');
    simulator.control.fault({ kind: 'stall_body' });
    const late = await fetch(simulator.url + ME, { headers: headers(simulator), signal: AbortSignal.timeout(150) });
    await expect(late.text()).rejects.toThrow('timeout');
  });

  it('may come byte by byte', async () => {
    const started = Date.now();
    const reply = await faulty({ kind: 'drip', bytesPerSecond: 500 }, ME);
    expect(await reply.json()).toMatchObject({ type: 'organization' });
    expect(Date.now() - started).toBeGreaterThan(100);
  });

  it('may be 50 MB long', async () => {
    const reply = await faulty({ kind: 'huge_page' });
    expect(Number(reply.headers.get('content-length'))).toBe(52_428_800);
    expect((await reply.arrayBuffer()).byteLength).toBe(52_428_800);
    expect(costPage.safeParse(await (await faulty({ kind: 'huge_page', bytes: 1_000_000 })).json()).success).toBe(true);
  });

  it('may unpack to far more than was sent', async () => {
    const reply = await faulty({ kind: 'gzip_bomb', bytes: 8 * 1_048_576 });
    expect(reply.headers.get('content-encoding')).toBe('gzip');
    expect(Number(reply.headers.get('content-length'))).toBeLessThan(200_000);
    expect((await reply.text()).length).toBeGreaterThan(8 * 1_048_576);
  });
});

describe('a page', () => {
  it('may lead to itself', async () => {
    simulator.control.fault({ kind: 'cyclic_page', times: 'always' });
    const first = costPage.parse(await (await get(simulator, QUERY)).json());
    const second = costPage.parse(await (await get(simulator, `${QUERY}&page=${first.next_page ?? ''}`)).json());
    expect(second.next_page).toBe(first.next_page);
    expect(second.data.map((bucket) => bucket.starting_at)).toEqual(first.data.map((bucket) => bucket.starting_at));
  });

  it('may promise more without saying where', async () => {
    const page = costPage.parse(await (await faulty({ kind: 'null_page' })).json());
    expect([page.has_more, page.next_page]).toEqual([true, null]);
  });

  it('may repeat a line, lose one, or lack a day', async () => {
    const rows = async (): Promise<number[]> =>
      costPage.parse(await (await get(simulator, QUERY)).json()).data.map(({ results }) => results.length);
    const [monday = 0, tuesday = 0, wednesday = 0] = await rows();
    simulator.control.fault({ kind: 'duplicate_lines' });
    expect(await rows()).toEqual([monday + 1, tuesday + 1, wednesday + 1]);
    simulator.control.fault({ kind: 'lost_line' });
    expect(await rows()).toEqual([monday - 1, tuesday, wednesday]);
    simulator.control.fault({ kind: 'missing_bucket' });
    expect(await rows()).toEqual([tuesday, wednesday]);
    expect(await rows()).toEqual([monday, tuesday, wednesday]);
  });

  it.each(['NaN', 'Infinity', '', '1e5x', 12.5])('may have the amount %j', async (amount) => {
    const text = await (await faulty({ kind: 'bad_amount', amount })).text();
    expect(text).toContain(`"amount":${JSON.stringify(amount)},`);
  });
});

describe('a fault', () => {
  it('may be right, and the day another one right after', async () => {
    const day = '2026-11-03';
    const before = simulator.control.ledger({ report: 'cost', from: day, to: day }).length;
    const lines = async (): Promise<number | undefined> =>
      (await readCost(simulator, QUERY.split('?')[1] ?? '')).get(day)?.length;
    simulator.control.fault({ kind: 'moving_day', page: 1, restatement: { day, kind: 'add', rows: 2 } });
    expect(await lines()).toBe(before);
    expect(await lines()).toBe(before + 2);
  });

  it('may be held until the faults are cleared, and is then what it was when it was asked for', async () => {
    simulator.control.fault({ kind: 'hold', path: ME });
    let answered = false;
    const held = get(simulator, ME).then((reply) => {
      answered = true;
      return reply;
    });
    await get(simulator, WORKSPACES);
    expect(answered).toBe(false);
    simulator.control.setKeyState(firstKey(simulator), 'revoked');
    simulator.control.clearFaults();
    expect((await held).status).toBe(200);
    expect((await get(simulator, ME)).status).toBe(401);
  });

  it('strikes only what it is meant for', async () => {
    const { key } = simulator.control.addKey();
    simulator.control.fault({ kind: 'status', status: 500, report: 'cost', page: 2 });
    simulator.control.fault({ kind: 'status', status: 503, path: WORKSPACES, times: 2 });
    simulator.control.fault({ kind: 'status', status: 504, key });
    simulator.control.fault({ kind: 'status', status: 529, report: 'cost', grouped: false });
    expect((await get(simulator, ME)).status).toBe(200);
    expect((await get(simulator, ME, { 'x-api-key': key })).status).toBe(504);
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await get(simulator, WORKSPACES)).status);
    expect(statuses).toEqual([503, 503, 200]);
    const { next_page: token } = costPage.parse(await (await get(simulator, QUERY)).json());
    expect((await get(simulator, `${QUERY}&page=${token ?? ''}`)).status).toBe(500);
    expect((await get(simulator, QUERY.replace(`&${BOTH}`, ''))).status).toBe(529);
    expect(simulator.control.faults().map(({ seen, fired }) => [seen, fired])).toEqual([
      [1, 1],
      [3, 2],
      [1, 1],
      [1, 1],
    ]);
    expect((await readCost(simulator, QUERY.slice(COST.length + 1))).size).toBe(6);
  });
});

describe('the simulator', () => {
  it('answers after its latency', async () => {
    simulator.control.latency(60);
    const started = Date.now();
    await get(simulator, ME);
    expect(Date.now() - started).toBeGreaterThanOrEqual(59);
  });

  it('closes while requests are open', async () => {
    simulator.control.fault({ kind: 'stall_headers', times: 'always' });
    const { port, hostname } = new URL(simulator.url);
    const socket = connect(Number(port), hostname);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write(`GET ${ME} HTTP/1.1\r\nhost: x\r\nx-api-key: ${firstKey(simulator)}\r\n\r\n`);
    await expect.poll(() => simulator.control.requests().total).toBe(1);
    await simulator.close();
    await closed;
    simulator = await simulate();
  });
});
