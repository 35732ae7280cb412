import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sql, type SQL } from 'drizzle-orm';
import { hashOfStatement } from '../../db/allocation/statement-hash.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { DOCUMENT, JANUARY, FEBRUARY, addressesOf, list, openWorld, send, textsOf, type World } from './months.ts';
import { allocate, monthQuery, monthShares, textOf, type Part } from './oracle.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.api.close());

const query = { january: monthQuery('2026-01', JANUARY.to), february: monthQuery('2026-02', FEBRUARY.to) };

function byCenter(parts: readonly Part[]): Map<string | null, bigint> {
  const sums = new Map<string | null, bigint>();
  for (const { center, units, placed } of parts) {
    if (placed.line.currency === 'USD') sums.set(center, (sums.get(center) ?? 0n) + units);
  }
  return sums;
}

/** The adjustments of a month by cost center, without those of zero. */
async function adjustmentsOf(month: string): Promise<Map<unknown, unknown>> {
  const { body } = await world.api.get(`/v1/chargeback/${month}`);
  const rows = body.data.map((row) => [row['cost_center'], row['adjustment']] as const);
  return new Map(rows.filter(([, adjustment]) => adjustment !== '0'));
}

function difference(now: readonly Part[], before: readonly Part[]): Map<string | null, string> {
  const [a, b] = [byCenter(now), byCenter(before)];
  const centers = [...new Set([...a.keys(), ...b.keys()])];
  const changed = centers.map((center) => [center, (a.get(center) ?? 0n) - (b.get(center) ?? 0n)] as const);
  return new Map(changed.filter(([, units]) => units !== 0n).map(([center, units]) => [center, textOf(units)]));
}

async function detailOf(method: string, path: string, body: unknown): Promise<[number, string]> {
  const answer = await world.api.send(method, path, body);
  return [answer.status, answer.body.detail];
}

describe('a closed month', () => {
  it('stays as it is, byte for byte, whatever happens to days, rules, tags, names and the connection', async () => {
    const { api, ledger } = world;
    const [first, second] = ledger;
    if (first === undefined || second === undefined) throw new Error('two connections are needed');
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const addresses = addressesOf('2026-01', first.id);
    const before = await textsOf(api, addresses);
    await world.restate(0, '2026-01-10', 77);
    await send(api, 'PUT', '/v1/allocation', { ...DOCUMENT, from: '2026-02', rules: [] });
    await list(api.db, first.id, [{ id: 'w1', name: 'Renamed', tags: { team: 'Other', env: 'dev' } }]);
    await send(api, 'PATCH', `/v1/connections/${first.id}`, { name: 'Renamed' });
    world.at('2026-05-20T00:00:00Z');
    expect(await textsOf(api, addresses)).toEqual(before);
    await send(api, 'POST', '/v1/chargeback/2026-02/close', { override: 'a test' });
    await disconnect(api.db, first.id, true);
    await disconnect(api.db, second.id, true);
    expect(await textsOf(api, addresses)).toEqual(before);
    const { data } = (await api.get(`/v1/connections/${first.id}/events`)).body;
    expect(data.map(({ message }) => message)).toContain(
      'Everything that was read for this connection was deleted. The statements of the 2 closed months that contain its costs are kept.',
    );
  });

  it('has a hash of everything that its replies are made of', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const stored = JSON.parse((await api.get('/v1/chargeback/2026-01')).text) as { statement: { sha256: string } };
    const hashAfter = async (change: SQL): Promise<string> => {
      let hash = '';
      await api.db
        .transaction(async (tx) => {
          await tx.execute(change);
          hash = (await hashOfStatement(tx, 1, 1)).toString('hex');
          tx.rollback();
        })
        .catch(() => undefined);
      return hash;
    };
    expect(await hashAfter(sql`select`)).toBe(stored.statement.sha256);
    const changes = [
      sql`update statement_lines set amount = amount + 1 where day = '2026-01-05'`,
      sql`update statement_series set model = 'another' where series_no = (select max(series_no) from statement_series)`,
      sql`update statement_series set center = 'another' where center is not null`,
      sql`update statement_shares set fraction = 0.5`,
      sql`update statement_workspaces set name = 'another'`,
      sql`update statement_workspaces set tags = '{}'`,
      sql`update statement_connections set name = 'another'`,
      sql`update allocation_versions set document = '{}'`,
    ];
    for (const change of changes) expect(await hashAfter(change)).not.toBe(stored.statement.sha256);
  });

  it('says what it said while it was open', async () => {
    const { api, ledger } = world;
    const addresses = addressesOf('2026-01', ledger[0]?.id ?? '').filter((path) => !path.includes('/lines'));
    const before = await textsOf(api, addresses);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const after = await textsOf(api, addresses);
    for (const address of addresses) {
      if (address.includes('csv')) {
        expect(after[address]).toBe(before[address]);
        continue;
      }
      const [was, is] = [before[address], after[address]].map(
        (text) => JSON.parse(text ?? '') as Record<string, unknown>,
      );
      for (const field of ['data', 'total', 'unallocated', 'allocated_percent', 'other_currencies']) {
        expect(is?.[field]).toEqual(was?.[field]);
      }
    }
  });
});

describe('a correction of a closed month', () => {
  it('is an adjustment of the next open month by the closed rules, until a statement carries it', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const closedWorkspaces = ledger.map(({ workspaces }) => workspaces);
    const shares = monthShares(ledger, DOCUMENT, query.january);
    const closed = allocate(ledger, DOCUMENT, query.january, shares);
    expect(await adjustmentsOf('2026-02')).toEqual(new Map());

    await send(api, 'PUT', '/v1/allocation', { ...DOCUMENT, from: '2026-02', rules: DOCUMENT.rules.slice(1) });
    await list(api.db, ledger[0]?.id ?? '', [{ id: 'w2', name: 'Two', tags: { team: 'other' } }]);
    await world.restate(0, '2026-01-10', 501);
    await world.restate(1, '2026-01-28', 502);
    const asClosed = ledger.map((connection, place) => ({ ...connection, workspaces: closedWorkspaces[place] ?? [] }));
    const first = allocate(asClosed, DOCUMENT, query.january, shares);
    expect(await adjustmentsOf('2026-02')).toEqual(difference(first, closed));
    expect(await adjustmentsOf('2026-03')).toEqual(new Map());

    const february = (await api.get('/v1/chargeback/2026-02')).body;
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
    const carried = (await api.get('/v1/chargeback/2026-02')).body;
    expect(carried).toMatchObject({ data: february.data, total: february.total });
    expect(await adjustmentsOf('2026-03')).toEqual(new Map());

    for (const day of [10, 11, 12, 13, 14, 15]) await world.restate(0, `2026-01-${day}`, 503 + day);
    await world.restate(1, '2026-01-03', 504);
    const now = ledger.map((connection, place) => ({ ...connection, workspaces: closedWorkspaces[place] ?? [] }));
    const second = allocate(now, DOCUMENT, query.january, shares);
    expect(await adjustmentsOf('2026-03')).toEqual(difference(second, first));
  });

  it('is taken back when it is corrected again, and disappears with a purge', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    expect((await adjustmentsOf('2026-02')).size).toBeGreaterThan(0);
    await world.restate(0, '2026-01-10', 9);
    expect(await adjustmentsOf('2026-02')).toEqual(new Map());
    await world.restate(0, '2026-01-11', 501);
    expect((await adjustmentsOf('2026-02')).size).toBeGreaterThan(0);
    await disconnect(api.db, ledger[0]?.id ?? '', true);
    expect(await adjustmentsOf('2026-02')).toEqual(new Map());
  });

  it('is taken back by the next month, once a statement carries it and the day is again what it was', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    const carried = await adjustmentsOf('2026-02');
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
    await world.restate(0, '2026-01-10', 9);
    const back = [...(await adjustmentsOf('2026-03'))].map(([center, amount]) => [center, negated(String(amount))]);
    expect(new Map(back as [unknown, unknown][])).toEqual(carried);
  });

  it('keeps its rows whatever they are grouped by', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    for (const by of ['cost_center', 'day', 'month', 'model,cost_center', 'tag.team', 'connection']) {
      const { body } = await api.get(`/v1/chargeback/2026-02?group_by=${by}&limit=10000`);
      const { data } = (await api.get(`/v1/chargeback/2026-02?group_by=${by}&limit=10000`)).body;
      const sum = data.reduce((all, row) => all + BigInt(scaled(row.amount)), 0n);
      expect([by, sum]).toEqual([
        by,
        BigInt(scaled(body.total)) +
          BigInt(scaled(String((body as unknown as Record<string, unknown>)['total_adjustment']))),
      ]);
    }
  });
});

describe('pages of lines', () => {
  it('neither lose nor double a row while the month is closed and corrected', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    const path = '/v1/chargeback/2026-02/lines';
    const expected = (await api.get(`${path}?limit=10000`)).body.data.map((row) => JSON.stringify(row));
    const found: string[] = [];
    let after = '';
    for (let page = 0; ; page += 1) {
      const { body } = await api.get(`${path}?limit=97${after}`);
      found.push(...body.data.map((row) => JSON.stringify(row)));
      if (page === 1) await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
      if (page === 2) await world.restate(0, '2026-01-10', 502);
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(found).toEqual(expected);
  });
});

function negated(decimal: string): string {
  return decimal.startsWith('-') ? decimal.slice(1) : `-${decimal}`;
}

function scaled(decimal: string): string {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return whole + fraction.padEnd(60, '0');
}

describe('closing', () => {
  it('follows the order of months', async () => {
    const { api } = world;
    expect(await detailOf('POST', '/v1/chargeback/2026-03/close', {})).toEqual([409, 'The month is not over yet.']);
    expect(await detailOf('POST', '/v1/chargeback/2026-04/close', {})).toEqual([409, 'The month is not over yet.']);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    expect(await detailOf('POST', '/v1/chargeback/2026-01/close', {})).toEqual([409, 'The month is closed already.']);
    world.at('2026-05-20T00:00:00Z');
    const order = 'Months are closed in their order, and the next one is 2026-02.';
    expect(await detailOf('POST', '/v1/chargeback/2026-03/close', { override: 'x' })).toEqual([409, order]);
    expect(await detailOf('POST', '/v1/chargeback/2025-12/close', { override: 'x' })).toEqual([409, order]);
    const last = 'Only the last closed month can be reopened, and that is 2026-01.';
    expect(await detailOf('POST', '/v1/chargeback/2026-02/reopen', { reason: 'x' })).toEqual([409, last]);
  });

  it('begins with the first month that is covered from its first day, and goes on there after a reopening', async () => {
    const { api } = world;
    const first = 'Months are closed in their order, and the next one is 2026-01.';
    expect(await detailOf('POST', '/v1/chargeback/2026-02/close', {})).toEqual([409, first]);
    const before = 'No connection reaches back to this month; the first one with costs is 2026-01.';
    expect(await detailOf('POST', '/v1/chargeback/2001-05/close', { override: 'x' })).toEqual([409, before]);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await send(api, 'POST', '/v1/chargeback/2026-01/reopen', { reason: 'x' });
    expect(await detailOf('POST', '/v1/chargeback/2026-02/close', {})).toEqual([409, first]);
    await api.db.execute(sql`update connections set began = '2026-01-10'`);
    await api.db
      .execute(sql`truncate statements, statement_series, statement_lines, statement_shares, statement_workspaces,
        statement_connections, statement_days`);
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
  });

  it('waits for usage where pools are shared by tokens', async () => {
    const { api, ledger } = world;
    await api.db.execute(
      sql`delete from days where connection_id = ${ledger[0]?.id ?? ''} and day = '2026-01-07' and report = 'usage'`,
    );
    expect((await api.get('/v1/chargeback/2026-01')).body).toMatchObject({
      missing_days: 0,
      closable: { possible: true },
    });
    const pools = [{ name: 'shared', split: { proportional: 'tokens' } }];
    await send(api, 'PUT', '/v1/allocation', { ...DOCUMENT, pools });
    expect((await api.get('/v1/chargeback/2026-01')).body).toMatchObject({
      missing_days: 1,
      closable: { possible: false },
    });
    const { status, body } = await api.send('POST', '/v1/chargeback/2026-01/close', {});
    expect([status, body.errors.map(({ path }) => path)]).toEqual([409, ['days.2026-01-07']]);
  });

  it('names the days that are not certain, and takes an override with its reason', async () => {
    const { api, ledger } = world;
    const id = ledger[0]?.id ?? '';
    await api.db.execute(
      sql`update days set state = 'provisional', reconciled = false where connection_id = ${id} and day = '2026-01-05' and report = 'cost'`,
    );
    await api.db.execute(sql`delete from days where connection_id = ${id} and day = '2026-01-07'`);
    const { status, body } = await api.send('POST', '/v1/chargeback/2026-01/close', {});
    expect([status, body.errors.map(({ path, message }) => `${path} ${message}`)]).toEqual([
      409,
      ['days.2026-01-05 is provisional', 'days.2026-01-07 is missing'],
    ]);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {
      override: 'The rest is small',
      invoice_amount: '100.00',
    });
    const closed = await api.get('/v1/chargeback/2026-01');
    expect(closed.body).toMatchObject({ state: 'closed', provisional_days: 1, missing_days: 1 });
    expect(JSON.parse(closed.text)).toMatchObject({
      statement: { override: 'The rest is small', invoice_amount: '100' },
    });
    const events = (await api.get('/v1/events')).body.data.map(({ message }) => message);
    expect(events[0]).toMatch(/^2026-01 is closed at \$.* although days are not certain: The rest is small$/);
  });

  it('is done by one of two people at once, and the other one is told', async () => {
    const { api } = world;
    const both = await Promise.all([1, 2].map(() => api.send('POST', '/v1/chargeback/2026-01/close', {})));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body.detail).toBe('The month is closed already.');
  });

  it('keeps a document from changing a closed month', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const detail = '"from" must be after 2026-01, the last closed month.';
    expect(await detailOf('PUT', '/v1/allocation', DOCUMENT)).toEqual([409, detail]);
    expect(await detailOf('PUT', '/v1/allocation', { ...DOCUMENT, from: '2025-12' })).toEqual([409, detail]);
  });
});

describe('a month that is opened again', () => {
  it('is none whose data were purged', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    for (const { id } of ledger) await disconnect(api.db, id, true);
    expect(await detailOf('POST', '/v1/chargeback/2026-01/reopen', { reason: 'x' })).toEqual([
      409,
      'The statement of 2026-01 has 31 days whose data were purged, so the open month would lack them. The statement stays.',
    ]);
  });

  it('is the last closed one whose data are here, and the list says why another one cannot be', async () => {
    const { api, ledger } = world;
    const reopenable = async (): Promise<unknown[]> =>
      (await api.get('/v1/chargeback')).body.data
        .filter(({ month }) => month === '2026-01' || month === '2026-02')
        .map((listed) => [listed['month'], listed['reopenable']]);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const possible = { possible: true, why: null };
    expect(await reopenable()).toEqual([
      ['2026-02', null],
      ['2026-01', possible],
    ]);
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
    const notLast = 'Only the last closed month can be reopened, and that is 2026-02.';
    expect(await reopenable()).toEqual([
      ['2026-02', possible],
      ['2026-01', { possible: false, why: notLast }],
    ]);
    await disconnect(api.db, ledger[0]?.id ?? '', true);
    expect(await reopenable()).toEqual([
      [
        '2026-02',
        {
          possible: false,
          why: expect.stringMatching(/^The statement of 2026-02 has \d+ days whose data were purged/) as unknown,
        },
      ],
      ['2026-01', { possible: false, why: notLast }],
    ]);
  });

  it('keeps its statement as a revision, and is closed anew', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const [address = ''] = addressesOf('2026-01', ledger[0]?.id ?? '');
    const before = JSON.parse((await api.get(address)).text) as Record<string, unknown>;
    await world.restate(0, '2026-01-10', 501);
    await send(api, 'POST', '/v1/chargeback/2026-01/reopen', { reason: 'A late correction' });
    expect(await adjustmentsOf('2026-02')).toEqual(new Map());
    const { body } = await api.get('/v1/chargeback/2026-01');
    expect(body).toMatchObject({ state: 'open', total_adjustment: '0' });
    const kept = JSON.parse((await api.get(`${address}&revision=1`)).text) as Record<string, unknown>;
    expect(kept).toEqual({ ...before, state: 'reopened', reopened: kept['reopened'] });
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    expect((await api.get('/v1/chargeback/2026-01')).body).toMatchObject({
      state: 'closed',
      revision: 2,
      total: body.total,
    });
    expect(await adjustmentsOf('2026-02')).toEqual(new Map());
    expect((await api.get('/v1/chargeback/2026-01?revision=3')).status).toBe(404);
  });
});
