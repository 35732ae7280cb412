import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { DOCUMENT, list, openWorld, send, type World } from '../allocation/months.ts';
import { byDay, csv, ledgerSums, parquet } from './api.ts';
import type { Cells } from './files.ts';
import { faultsIn, scaled, sumsBy } from './rules.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.api.close());

const RANGE = 'from=2026-01-01&to=2026-02-28';

function ofDay(rows: readonly Cells[], day: string): Cells[] {
  return rows.filter((row) => row['ChargePeriodStart'] === `${day}T00:00:00Z`);
}

function corrections(rows: readonly Cells[]): Cells[] {
  return rows.filter((row) => row['ChargeClass'] === 'Correction');
}

function billsOf(rows: readonly Cells[]): string[] {
  return [...new Set(rows.map((row) => (row['BillingPeriodStart'] ?? '').slice(0, 7)))].sort();
}

describe('a day of a closed month', () => {
  it('that was not corrected comes from the ledger, with its prices', async () => {
    const { api } = world;
    const before = await csv(api, RANGE);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    expect(await csv(api, RANGE)).toEqual(before);
    expect(corrections(before.rows)).toEqual([]);
  });

  it('that was corrected is what was closed, and a row for each change, which the next open month carries', async () => {
    const { api } = world;
    const before = await csv(api, RANGE);
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    await world.restate(1, '2026-01-28', 502);
    const { rows } = await csv(api, RANGE);
    for (const day of ['2026-01-10', '2026-01-28']) {
      const changed = corrections(ofDay(rows, day));
      expect(changed.length).toBeGreaterThan(5);
      expect(billsOf(changed)).toEqual(['2026-02']);
      const kept = ofDay(rows, day).filter((row) => row['ChargeClass'] === null);
      const text = (row: Cells): string =>
        ['BillingAccountId', 'x_Model', 'x_TokenType', 'SubAccountId', 'BilledCost'].map((name) => row[name]).join(' ');
      expect(kept.map(text).sort()).toEqual(ofDay(before.rows, day).map(text).sort());
    }
    expect(billsOf(rows)).toEqual(['2026-01', '2026-02']);
    expect(corrections(ofDay(rows, '2026-01-11'))).toEqual([]);
    expect(sumsBy(rows, byDay)).toEqual(await ledgerSums(api, RANGE));
    expect(faultsIn(await csv(api, RANGE), '1.4')).toEqual([]);
  });

  it('keeps the corrections that a statement carries in its month, beside those that still wait', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
    const carried = corrections(ofDay((await csv(api, RANGE)).rows, '2026-01-10'));
    expect(billsOf(carried)).toEqual(['2026-02']);
    await world.restate(0, '2026-01-10', 601);
    await world.restate(0, '2026-02-10', 602);
    const { rows } = await csv(api, RANGE);
    const again = corrections(ofDay(rows, '2026-01-10'));
    expect(billsOf(again)).toEqual(['2026-02', '2026-03']);
    const identity = (row: Cells): string => JSON.stringify({ ...row, x_ReadAt: null });
    expect(again.filter((row) => row['BillingPeriodStart']?.startsWith('2026-02')).map(identity)).toEqual(
      carried.map(identity),
    );
    expect(billsOf(corrections(ofDay(rows, '2026-02-10')))).toEqual(['2026-03']);
    expect(sumsBy(rows, byDay)).toEqual(await ledgerSums(api, RANGE));
    expect(faultsIn(await csv(api, `version=1.3&${RANGE}`), '1.3')).toEqual([]);
    for (const { id } of ledger) {
      const one = `${RANGE}&connection_id=${id}`;
      expect(sumsBy((await csv(api, one)).rows, byDay)).toEqual(await ledgerSums(api, one));
    }
  });

  it('that was purged has no rows, as the ledger has none', async () => {
    const { api, ledger } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    await disconnect(api.db, ledger[0]?.id ?? '', true);
    const { rows } = await csv(api, RANGE);
    expect(sumsBy(rows, byDay)).toEqual(await ledgerSums(api, RANGE));
    expect(rows.some((row) => row['BillingAccountId'] === 'org-First')).toBe(false);
  });
});

describe('an export by cost center', () => {
  const byCenter = (row: Cells): string => `${row['x_CostCenter'] ?? 'nobody'} ${row['BillingCurrency'] ?? ''}`;

  const nameOf = (center: unknown): string => (typeof center === 'string' ? center : 'nobody');

  async function chargeback(month: string, query = ''): Promise<Map<string, bigint>> {
    const { body } = await world.api.get(`/v1/chargeback/${month}?group_by=cost_center,currency&limit=500${query}`);
    const sums = body.data.map((row): [string, bigint] => [
      `${nameOf(row['cost_center'])} ${String(row['currency'])}`,
      scaled(row.amount),
    ]);
    return new Map(sums.filter(([, sum]) => sum !== 0n).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async function exported(month: string, query = ''): Promise<Map<string, bigint>> {
    const last = month === '2026-02' ? '28' : '31';
    const { rows } = await csv(world.api, `allocated=true&from=${month}-01&to=${month}-${last}${query}`);
    return sumsBy(rows, byCenter);
  }

  it('adds up to chargeback for each cost center and month, open, closed and corrected', async () => {
    const { api, ledger } = world;
    const months = ['2026-01', '2026-02', '2026-03'];
    const agree = async (query = ''): Promise<void> => {
      for (const month of months) expect(await exported(month, query)).toEqual(await chargeback(month, query));
    };
    await agree();
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    await send(api, 'PUT', '/v1/allocation', { ...DOCUMENT, from: '2026-02', rules: DOCUMENT.rules.slice(1) });
    await agree();
    await agree(`&connection_id=${ledger[0]?.id ?? ''}`);
    await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
    await world.restate(1, '2026-02-03', 502);
    await agree();
  });

  it('keeps every rule, has the same values in both formats, and says which rule and version decided', async () => {
    const { api } = world;
    await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    await world.restate(0, '2026-01-10', 501);
    const query = `allocated=true&${RANGE}`;
    const file = await csv(api, query);
    expect(faultsIn(file, '1.4')).toEqual([]);
    expect(await parquet(api, query)).toEqual(file);
    const rules = new Set(file.rows.map((row) => row['x_AllocationRule']));
    expect([...rules].sort()).toEqual([...DOCUMENT.rules.map(({ name }) => name), null].sort());
    expect(new Set(file.rows.map((row) => row['x_AllocationVersion']))).toEqual(new Set(['1']));
    expect(billsOf(corrections(file.rows))).toEqual(['2026-02']);
    const total = (await api.get(`/v1/exports/focus?${query}`)).headers.get('meterline-total');
    const inUsd = file.rows.filter((row) => row['BillingCurrency'] === 'USD');
    expect(sumsBy(inUsd, () => 'all')).toEqual(new Map([['all', scaled(total ?? '')]]));
  });

  it('takes whole months alone', async () => {
    for (const [query, path] of [
      ['from=2026-01-02&to=2026-01-31', 'query.from'],
      ['from=2026-01-01&to=2026-01-30', 'query.to'],
    ] as const) {
      const { status, body } = await world.api.get(`/v1/exports/focus?allocated=true&${query}`);
      expect([status, body.errors.map((error) => error.path)]).toEqual([400, [path]]);
    }
    expect((await world.api.get('/v1/exports/focus?allocated=true')).status).toBe(200);
  });
});

describe('a workspace that was renamed', () => {
  it('keeps in each row the name that it had on the day', async () => {
    const { api, ledger } = world;
    world.at('2026-03-13T12:00:00Z');
    await list(api.db, ledger[0]?.id ?? '', [{ id: 'w1', name: 'Renamed', tags: {} }]);
    await api.db.execute(`update workspace_names set first_seen = '2026-01-01' where name = 'One'`);
    await api.db.execute(`update workspace_names set first_seen = '2026-01-15' where name = 'Renamed'`);
    const { rows } = await csv(api, RANGE);
    const names = (day: string): unknown[] => [
      ...new Set(
        ofDay(rows, day)
          .filter((row) => row['SubAccountId'] === 'w1' && row['BillingAccountId'] === 'org-First')
          .map((row) => row['SubAccountName']),
      ),
    ];
    const days = rows.filter((row) => row['SubAccountId'] === 'w1' && row['BillingAccountId'] === 'org-First');
    expect(new Set(days.map((row) => row['SubAccountName']))).toEqual(new Set(['One', 'Renamed']));
    for (const row of days) {
      const day = (row['ChargePeriodStart'] ?? '').slice(0, 10);
      expect(names(day)).toEqual([day < '2026-01-15' ? 'One' : 'Renamed']);
    }
  });
});
