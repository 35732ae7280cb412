import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FAULT_KINDS } from '../../simulator/faults/faults.ts';
import type { Simulator } from '../../simulator/simulator.ts';
import {
  BOTH,
  COST,
  ME,
  NOW,
  WORKSPACES,
  firstKey,
  get,
  headers,
  raw,
  readCost,
  readUsage,
  simulate,
  sum,
  without,
  workspaceList,
} from './client.ts';

const DAY = '2026-11-10';
const ONE_DAY = `starting_at=${DAY}T00:00:00Z&ending_at=2026-11-11T00:00:00Z`;
const TODAY = 'starting_at=2026-11-12T00:00:00Z&ending_at=2026-11-13T00:00:00Z';

let simulator: Simulator;
beforeEach(async () => {
  simulator = await simulate();
});
afterEach(() => simulator.close());

const lines = (day = DAY) => simulator.control.ledger({ report: 'cost', from: day, to: day });
const total = (day = DAY): bigint => sum(lines(day).map((line) => line.amount_cents));
const served = async (query = `${ONE_DAY}&${BOTH}`) => [...(await readCost(simulator, query)).values()].flat();
const servedTotal = async (query: string): Promise<bigint> => sum((await served(query)).map(({ amount }) => amount));

describe('the clock', () => {
  it('stands still when set, and today grows by the hour until the day is over', async () => {
    const totals: bigint[] = [];
    for (let hour = 10; hour < 24; hour += 1) {
      totals.push(await servedTotal(TODAY));
      expect(await servedTotal(`${TODAY}&${BOTH}`)).toBe(totals.at(-1));
      expect(total('2026-11-12')).toBe(totals.at(-1));
      simulator.control.clock({ advanceHours: 1 });
    }
    totals.push(total('2026-11-12'));
    for (const [index, amount] of totals.entries()) expect(amount).toBeGreaterThan(totals[index - 1] ?? 0n);
    simulator.control.clock({ advanceDays: 5 });
    expect(total('2026-11-12')).toBe(totals.at(-1));
  });

  it('gives the same data at any minute of an hour', async () => {
    const before = await servedTotal(TODAY);
    simulator.control.clock({ now: '2026-11-12T10:59:59Z' });
    expect(await servedTotal(TODAY)).toBe(before);
  });

  it('has no data of future days, and ticks when told to', async () => {
    expect(lines('2026-11-13')).toEqual([]);
    expect(simulator.control.clock({ now: '2026-11-14T00:00:00Z' })).toMatchObject({ today: '2026-11-14' });
    expect(lines('2026-11-13').length).toBeGreaterThan(0);
    const running = simulator.control.clock({ ticking: true });
    await expect.poll(() => simulator.control.clock().now).not.toBe(running.now);
    expect(() => simulator.control.clock({ now: 'soon' })).toThrow('not an instant');
  });
});

describe('the list of workspaces', () => {
  const listed = async () =>
    workspaceList.parse(await (await get(simulator, `${WORKSPACES}?include_archived=true&limit=1000`)).json()).data;
  const named = async (name: string) => (await listed()).filter((workspace) => workspace.name === name);

  it('has the tags of teams, and no tags for some workspaces', async () => {
    const [first] = await named('Production');
    expect(first).toMatchObject({ tags: { team: 'platform' } });
    const [untagged] = await named('Legacy Prototype');
    simulator.control.changeWorkspace({ workspace: 'Legacy Prototype', tags: {} });
    expect(untagged).toHaveProperty('tags');
    expect((await named('Legacy Prototype'))[0]).not.toHaveProperty('tags');
  });

  it('renames, tags, archives and restores a workspace, and leaves the data of all days as it is', async () => {
    const before = lines();
    const { id } = simulator.control.changeWorkspace({ workspace: 'Production', name: 'Live', tags: { team: 'ops' } });
    expect(await named('Production')).toEqual([]);
    expect(await named('Live')).toMatchObject([{ id, archived_at: null, tags: { team: 'ops' } }]);
    simulator.control.changeWorkspace({ workspace: id, archived: true });
    simulator.control.clock({ advanceHours: 1 });
    simulator.control.changeWorkspace({ workspace: id, archived: true });
    expect(await named('Live')).toMatchObject([{ id, archived_at: NOW, tags: { team: 'ops' } }]);
    simulator.control.changeWorkspace({ workspace: id, archived: false });
    expect(await named('Live')).toMatchObject([{ archived_at: null }]);
    expect(lines()).toEqual(before);
  });

  it('has a recreated workspace twice, under two ids', async () => {
    const [old] = await named('Research');
    const again = simulator.control.recreateWorkspace({ workspace: 'Research' });
    expect(await named('Research')).toMatchObject([
      { id: old?.id, archived_at: NOW },
      { id: again.id, archived_at: null, created_at: NOW, tags: { team: 'research' } },
    ]);
    expect(simulator.control.changeWorkspace({ workspace: 'Research', name: 'Lab' }).id).toBe(again.id);
    expect(() => simulator.control.recreateWorkspace({ workspace: 'Default' })).toThrow('no such workspace');
  });
});

describe('a restatement', () => {
  it('scales a day up or down', async () => {
    const before = total();
    simulator.control.restate({ day: DAY, kind: 'scale', factor: '2' });
    expect(total()).toBe(before * 2n);
    simulator.control.restate({ day: DAY, kind: 'scale', factor: '0.5' });
    expect(total()).toBe(before);
    simulator.control.restate({ day: DAY, kind: 'scale', factor: '0.9', rows: 1 });
    expect(total()).toBeLessThan(before);
    expect(await servedTotal(ONE_DAY)).toBe(total());
    expect(await servedTotal(`${ONE_DAY}&${BOTH}`)).toBe(total());
  });

  it('adds and removes rows', async () => {
    const before = lines().length;
    simulator.control.restate({ day: DAY, kind: 'add', rows: 3 });
    expect(lines()).toHaveLength(before + 3);
    simulator.control.restate({ day: DAY, kind: 'remove', rows: 5 });
    expect(lines()).toHaveLength(before - 2);
    expect(await served()).toHaveLength(before - 2);
  });

  it('empties a day and fills it again', async () => {
    simulator.control.restate({ day: DAY, kind: 'empty' });
    expect(await served()).toEqual([]);
    expect(await served(ONE_DAY)).toEqual([]);
    simulator.control.restate({ day: DAY, kind: 'fill', rows: 4 });
    expect(await served()).toHaveLength(4);
  });

  it('moves money between two rows without changing the total', async () => {
    const [before, rows] = [total(), lines()];
    simulator.control.restate({ day: DAY, kind: 'split', amount: '0.5' });
    expect(total()).toBe(before);
    expect(lines()).not.toEqual(rows);
    expect(await servedTotal(ONE_DAY)).toBe(before);
    simulator.control.restate({ day: DAY, kind: 'empty' });
    expect(() => simulator.control.restate({ day: DAY, kind: 'split' })).toThrow('two rows');
  });

  it('adds a row with given fields, also in another currency', async () => {
    const row = { costType: 'quantum', description: 'Quantum Usage', model: null, extra: { qubits: '7' } };
    simulator.control.restate({ day: DAY, kind: 'add', amount: '12.50', row });
    simulator.control.restate({ day: DAY, kind: 'currency', currency: 'EUR' });
    const added = lines().find((line) => line.cost_type === 'quantum');
    expect(added).toMatchObject({ amount_cents: '12.5', amount_usd: '0.125', extra: { qubits: '7' } });
    expect((await served()).find((item) => item['cost_type'] === 'quantum')).toMatchObject({ qubits: '7' });
    expect(lines().filter((line) => line.currency === 'EUR')).toHaveLength(1);
    expect((await served(ONE_DAY)).map(({ currency }) => currency).sort()).toEqual(['EUR', 'USD']);
  });

  it('changes only the cost report by default', async () => {
    const usage = () => simulator.control.ledger({ report: 'usage', from: DAY, to: DAY });
    const before = usage();
    simulator.control.restate({ day: DAY, kind: 'scale', factor: 3 });
    expect(usage()).toEqual(before);
    simulator.control.restate({ day: DAY, kind: 'scale', factor: 3, report: 'usage' });
    expect(usage().map((line) => line.output_tokens)).toEqual(before.map((line) => line.output_tokens * 3));
    simulator.control.restate({ day: DAY, kind: 'empty', report: 'both' });
    expect((await readUsage(simulator, ONE_DAY)).data[0]?.results).toEqual([]);
  });

  it('waits for its time', () => {
    const before = total();
    simulator.control.restate({ day: DAY, kind: 'empty', at: '2026-11-12T12:00:00Z' });
    expect(total()).toBe(before);
    simulator.control.clock({ now: '2026-11-12T12:00:00Z' });
    expect(total()).toBe(0n);
  });
});

describe('late data', () => {
  it('is hidden until its time', async () => {
    const before = lines();
    simulator.control.late({ day: DAY, until: '2026-11-12T18:00:00Z' });
    expect(await served()).toEqual([]);
    expect(lines()).toEqual([]);
    simulator.control.clock({ now: '2026-11-12T18:00:00Z' });
    expect(lines()).toEqual(before);
  });

  it('is hidden in part until released', async () => {
    const before = lines().length;
    simulator.control.late({ day: DAY, part: 0.5 });
    const part = (await served()).length;
    expect(part).toBeGreaterThan(0);
    expect(part).toBeLessThan(before);
    expect(simulator.control.release()).toEqual([DAY]);
    expect(await served()).toHaveLength(before);
  });
});

describe('conduct', () => {
  const reasons = () => simulator.control.conduct().by_reason;

  it('shows no violation by a polite client', async () => {
    await readCost(simulator, `starting_at=2026-10-13T00:00:00Z&${BOTH}`);
    await get(simulator, ME);
    expect(simulator.control.conduct()).toEqual({ violations: 0, by_reason: {}, after_revocation: 0, last: [] });
  });

  it('counts each thing that a polite client never does, without its key', async () => {
    const good = headers(simulator);
    const anonymous = without(good, 'user-agent');
    await raw(simulator, { method: 'POST', path: WORKSPACES, body: '{}' });
    await raw(simulator, { path: '/v1/organizations/users' });
    await raw(simulator, { path: ME, headers: anonymous });
    await raw(simulator, { path: ME, headers: { ...good, 'user-agent': 'undici' } });
    await raw(simulator, { path: ME, headers: { ...good, 'anthropic-version': '2026-10-21' } });
    await raw(simulator, { path: ME, headers: { ...good, authorization: 'Bearer x' } });
    await get(simulator, `${ME}?x=1`);
    await get(simulator, `${WORKSPACES}?limit=0`);
    await get(simulator, `${COST}?${ONE_DAY}&page=none`);
    await get(simulator, `${COST}?${ONE_DAY}&${'group_by[]=description&'.repeat(6)}`);
    expect(reasons()).toEqual({
      method: 1,
      body: 1,
      path: 1,
      user_agent: 2,
      version: 1,
      two_credentials: 1,
      unknown_parameter: 1,
      limit: 1,
      page_token: 1,
      group_by: 1,
    });
    const { violations, last } = simulator.control.conduct();
    expect(violations).toBe(11);
    expect(last).toHaveLength(11);
    expect(last[0]?.key).toBe(firstKey(simulator).slice(-4));
    expect(JSON.stringify(last)).not.toContain(firstKey(simulator));
    simulator.control.resetCounters();
    expect(simulator.control.conduct().violations).toBe(0);
  });

  it('counts requests with a revoked key separately', async () => {
    simulator.control.setKeyState(firstKey(simulator), 'revoked');
    await get(simulator, ME);
    expect(simulator.control.conduct()).toMatchObject({ violations: 0, after_revocation: 1 });
  });

  it('counts a request before a retry-after has passed, by either clock', async () => {
    simulator.control.fault({ kind: 'rate_limited', retryAfter: 60 });
    await get(simulator, ME);
    await get(simulator, ME);
    expect(reasons()).toEqual({ before_retry_after: 1 });
    simulator.control.clock({ advanceHours: 1 });
    await get(simulator, ME);
    expect(reasons()).toEqual({ before_retry_after: 1 });
  });
});

describe('the request log', () => {
  it('counts by path and status', async () => {
    await get(simulator, ME);
    await get(simulator, '/nowhere');
    const report = simulator.control.requests();
    expect(report.total).toBe(2);
    expect(report.by_path[ME]?.requests).toBe(1);
    expect(report.by_status).toEqual({ 200: 1, 404: 1 });
    expect(report.bytes_sent).toBeGreaterThan(0);
    expect(report.last[0]).toMatchObject({ method: 'GET', path: ME, status: 200, key: firstKey(simulator).slice(-4) });
  });
});

describe('the control surface over HTTP', () => {
  const call = async (method: string, path: string, body?: unknown): Promise<[number, unknown]> => {
    const reply = await fetch(`${simulator.url}/_control/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return [reply.status, await reply.json()];
  };

  it('has a route for each method of the control', async () => {
    expect(await call('GET', 'organization')).toEqual([200, simulator.control.organization()]);
    expect(await call('GET', 'organizations')).toEqual([200, simulator.control.organizations()]);
    const made = z.object({ key: z.string() }).parse((await call('POST', 'keys', { state: 'revoked' }))[1]);
    expect(simulator.control.keys()[1]).toMatchObject({ key: made.key, state: 'revoked' });
    await call('POST', 'keys/state', { key: made.key, state: 'active' });
    expect(await call('GET', 'keys')).toEqual([200, simulator.control.keys()]);
    expect(simulator.control.keys()[1]?.state).toBe('active');
    expect((await call('POST', 'organizations', { name: 'Second' }))[1]).toMatchObject({ name: 'Second' });
    await call('POST', 'clock', { advanceDays: 1 });
    expect((await call('GET', 'clock'))[1]).toMatchObject({ today: '2026-11-13', ticking: false });
    await call('POST', 'faults', { kind: 'status', status: 503, times: 'always' });
    expect((await get(simulator, ME)).status).toBe(503);
    await call('DELETE', 'faults');
    expect((await get(simulator, ME)).status).toBe(200);
    await call('POST', 'restate', { day: DAY, kind: 'empty' });
    expect(await call('GET', `ledger?report=cost&from=${DAY}&to=${DAY}`)).toEqual([200, []]);
    await call('POST', 'late', { day: '2026-11-11' });
    expect(await call('GET', 'ledger?report=usage&from=2026-11-11&to=2026-11-11')).toEqual([200, []]);
    expect(await call('POST', 'release', {})).toEqual([200, ['2026-11-11']]);
    expect((await call('POST', 'paging', { maxBucketsPerPage: 2 }))[1]).toMatchObject({ maxBucketsPerPage: 2 });
    expect(await call('POST', 'latency', { ms: 1 })).toEqual([200, { ms: 1 }]);
    expect((await call('POST', 'spelling', { spacing: 'spaced' }))[1]).toMatchObject({
      spacing: 'spaced',
      rows: 'shuffled',
    });
    expect((await call('POST', 'spelling', { spacing: 'wide' }))[0]).toBe(400);
    expect(await call('GET', 'conduct')).toEqual([200, simulator.control.conduct()]);
    expect(await call('GET', 'requests')).toEqual([200, simulator.control.requests()]);
    await call('POST', 'reset-counters');
    expect(simulator.control.requests().total).toBe(0);
  });

  it('refuses unknown routes, fields and values, and a body that is not JSON', async () => {
    expect((await call('POST', 'faults', { kind: 'gremlins' }))[0]).toBe(400);
    expect((await call('POST', 'restate', { day: '2026-02-30', kind: 'empty' }))[0]).toBe(400);
    expect((await call('POST', 'clock', { nwo: '2026-01-01' }))[0]).toBe(400);
    expect((await call('GET', 'ledger?report=cost&from=x&to=y'))[0]).toBe(400);
    expect((await call('GET', 'organization?organization=none'))[0]).toBe(400);
    expect((await call('GET', 'nothing'))[0]).toBe(404);
    const garbled = await fetch(`${simulator.url}/_control/clock`, { method: 'POST', body: '{' });
    expect([garbled.status, await garbled.json()]).toEqual([400, { error: 'the body is not JSON' }]);
  });
});

describe('docs/simulator.md', () => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const firstCells = (text: string): string[] =>
    [...text.matchAll(/^(?: \* )?\| `([^`]+)` +\|/gm)].map(([, cell = '']) => cell);
  const sections = read('docs/simulator.md').split(/^## /m);
  const section = (title: string): string => sections.find((text) => text.startsWith(`${title}\n`)) ?? '';
  const routes = read('simulator/control-routes.ts');

  it('lists every route of the control surface, and so does its source', () => {
    const handled = [...routes.matchAll(/^ {2}'((?:GET|POST|DELETE) [a-z/-]+)':/gm)].map(([, route = '']) => route);
    expect(handled.length).toBeGreaterThan(15);
    const isRoute = (cell: string): boolean => /^(?:GET|POST|DELETE) /.test(cell);
    expect(firstCells(section('Control surface')).filter(isRoute)).toEqual(handled);
    expect(firstCells(routes).filter(isRoute)).toEqual(handled);
  });

  it('lists every option, except for those of the process', () => {
    const named = (text: string): string[] => [...new Set(text.match(/--[a-z][a-z-]+/g))].sort();
    const usage = /const USAGE = [^;]+;/.exec(read('simulator/main.ts'))?.[0] ?? '';
    const process = ['--latency-ms', '--port', '--seed'];
    const documented = named(section('Size and shape') + section('Spelling'));
    expect([...documented, ...process].sort()).toEqual(named(usage));
  });

  it('lists every kind of fault', () => {
    expect(firstCells(section('Faults'))).toEqual([...FAULT_KINDS]);
  });
});
