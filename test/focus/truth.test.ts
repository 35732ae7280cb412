import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { storeUnitLedger } from '../spend/unit-ledger.ts';
import { NOW, type Ledger } from '../spend/ledger.ts';
import { byDay, csv, ledgerSums, parquet } from './api.ts';
import { expectedPrices, priceText } from './prices.ts';
import { faultsIn, sumsBy } from './rules.ts';

describe('a random ledger with reconnected, purged and refused connections', () => {
  const RANGE = 'from=2026-01-01&to=2026-03-31';
  let api: Api;
  let ledger: Ledger;
  beforeAll(async () => {
    api = await startApi({ now: () => NOW });
    ledger = await storeUnitLedger(api.db);
  });
  afterAll(() => api.close());

  it.each(['1.4', '1.3'])('adds up to /v1/costs by day and currency, and keeps every rule of %s', async (version) => {
    const file = await csv(api, `version=${version}&${RANGE}`);
    expect(file.rows.length).toBeGreaterThan(100);
    expect(sumsBy(file.rows, byDay)).toEqual(await ledgerSums(api, RANGE));
    expect(faultsIn(file, version)).toEqual([]);
  });

  it('adds up to /v1/costs of each connection alone', async () => {
    for (const { id, isRefused } of ledger) {
      if (isRefused) continue;
      const one = `${RANGE}&connection_id=${id}`;
      expect(sumsBy((await csv(api, one)).rows, byDay)).toEqual(await ledgerSums(api, one));
    }
  });

  it('has the same values in CSV and in Parquet, in the same order', async () => {
    for (const version of ['1.4', '1.3']) {
      expect(await parquet(api, `version=${version}&${RANGE}`)).toEqual(await csv(api, `version=${version}&${RANGE}`));
    }
  });

  it('prices a row exactly where its tokens are its own and the quotient ends, and no other', async () => {
    const { rows } = await csv(api, RANGE);
    const expected = expectedPrices(ledger, { from: '2026-01-01', to: '2026-03-31' });
    const found = rows.filter((row) => row['ListUnitPrice'] !== null);
    expect(found.length).toBeGreaterThan(4);
    expect(found.map(priceText).sort()).toEqual(expected);
  });
});
