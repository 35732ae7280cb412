import { parse } from 'csv-parse/sync';
import { readFileSync } from 'node:fs';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { sum } from '../../console/format/decimal.ts';
import { until } from '../support/wait.ts';
import { describeInBrowser, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

/** A day so many days ago. */
function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

const costs = z.object({
  total: z.string(),
  data: z.array(z.object({ day: z.string().optional(), amount: z.string() })),
});

describeInBrowser('exploring', () => {
  let here: ConsoleWorld;
  let opened: Opened;
  const range = `from=${daysAgo(20)}&to=${daysAgo(0)}`;
  const restated = daysAgo(8);
  beforeAll(async () => {
    here = await startConsoleWorld();
    const made = await here.send('POST', '/v1/connections', { name: 'Acme', admin_api_key: here.world.key });
    const { id } = z.object({ id: z.string() }).parse(made.body);
    const has = (path: string, words: string) => async (): Promise<boolean> =>
      JSON.stringify((await here.send('GET', `/v1/connections/${id}${path}`)).body).includes(words);
    await until('the days to be read', has('', '"status":"active"'));
    here.world.simulator.control.restate({ day: restated, kind: 'scale', factor: '1.5' });
    await here.send('POST', `/v1/connections/${id}/sync`, {});
    await until('the correction to be found', has('/restatements', restated));
    opened = await here.openAs();
  });
  afterAll(() => here.close());

  async function ask(query: string): Promise<z.output<typeof costs>> {
    return costs.parse((await here.send('GET', `/v1/costs?${query}`)).body);
  }
  async function show(query: string): Promise<Page> {
    const { page } = opened;
    await page.goto(`/#/explore?${query}`);
    await page.locator('main [aria-busy="false"] tfoot').waitFor();
    return page;
  }
  const exactOf = async (cells: Locator): Promise<string[]> =>
    cells.evaluateAll((all) =>
      all.map((cell: { getAttribute(name: string): string | null }) => String(cell.getAttribute('data-exact'))),
    );

  test('shows a chart, a table and a total that agree with the API to the last digit', async () => {
    const page = await show(`report=costs&${range}&group_by=day,model&view=days`);
    const { total } = await ask(`${range}&group_by=day,model&limit=10000`);
    const [{ day, amount } = { day: '', amount: '' }] = (await ask(`${range}&group_by=day`)).data.slice(-2);
    const titles = await page.locator('main .big').getAttribute('title');
    expect(titles?.replaceAll(',', '')).toBe(total);

    const rows = page.locator('main tbody tr');
    expect(await rows.count()).toBe(21);
    expect(await page.locator('[data-bar]').count()).toBe(21);
    for (const row of [rows.nth(0), rows.nth(20), page.locator('main tfoot tr')]) {
      const cells = await exactOf(row.locator('td[data-exact]'));
      expect(sum(...cells.slice(0, -1))).toBe(cells.at(-1));
    }
    expect((await exactOf(page.locator('main tfoot td[data-exact]'))).at(-1)).toBe(total);
    const cells = await exactOf(rows.nth(await indexOf(page, day ?? '')).locator('td[data-exact]'));
    expect(cells.at(-1)).toBe(amount);
  });

  /** Which bar of the chart is that of a day. */
  async function indexOf(page: Page, day: string): Promise<number> {
    const bars = await page
      .locator('[data-bar]')
      .evaluateAll((all) =>
        all.map((bar: { getAttribute(name: string): string | null }) => String(bar.getAttribute('data-bar'))),
      );
    return bars.indexOf(day);
  }

  test('marks a day that was restated, and says by how much', async () => {
    const page = await show(`report=costs&${range}&group_by=day`);
    const words = await page.locator(`[data-bar="${restated}"]`).getAttribute('aria-label');
    expect(words).toMatch(/The whole day was restated: (\+|−)\$[\d,.]+ since .* UTC/);
    expect(await page.locator(`[data-bar="${daysAgo(0)}"]`).getAttribute('aria-label')).toContain('Provisional');
  });

  test('leads from a part of a bar to its lines, and back', async () => {
    const page = await show(`report=costs&${range}&group_by=day,model`);
    const before = page.url();
    await page.locator(`[data-bar="${restated}"] .bar`).first().click();
    await page.getByRole('heading', { name: 'Lines' }).waitFor();
    await page.locator('main tfoot').waitFor();
    const query = new URLSearchParams(page.url().split('?')[1]);
    expect([query.get('from'), query.get('to'), query.getAll('model').length]).toEqual([restated, restated, 1]);
    const { total } = await ask(`from=${restated}&to=${restated}&model=${query.get('model') ?? ''}`);
    expect(await exactOf(page.locator('main tfoot td[data-exact]'))).toContain(total);
    await page.goBack();
    await page.getByRole('heading', { name: 'Groups' }).waitFor();
    expect(page.url()).toBe(before);
  });

  test('says why costs changed, in parts that add up to the change', async () => {
    const week = `from=${daysAgo(9)}&to=${daysAgo(3)}`;
    const page = await show(`report=changes&${week}&group_by=model&compare=previous`);
    const { body } = await here.send('GET', `/v1/costs/changes?${week}&group_by=model&compare=previous`);
    const text = z.string();
    const { total } = z
      .object({ total: z.object({ change: text, volume: text, mix: text, price: text, unmatched: text }) })
      .parse(body);
    expect(sum(total.volume, total.mix, total.price, total.unmatched)).toBe(total.change);
    expect(await exactOf(page.locator('main tfoot td[data-exact]'))).toContain(total.change);
    await page.getByText('Volume: more or fewer tokens').waitFor();
  });

  test('shows unit costs and what the cache saved', async () => {
    const page = await show(`report=unit-costs&${range}&group_by=model`);
    for (const name of ['Tokens', 'USD per million', 'Cache hits', 'Cache saved', 'Batch saved']) {
      await page.getByRole('columnheader', { name, exact: true }).waitFor();
    }
  });

  test('takes a filter from the values that there are, and keeps it in the address', async () => {
    const page = await show(`report=costs&${range}&group_by=day,model`);
    await page.getByRole('button', { name: '+ filter' }).click();
    await page.getByLabel('Only lines whose').selectOption('workspace');
    await page.getByLabel(/^Production/).check();
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.waitForURL(/workspace=wrkspc_/);
    await page.locator('main [aria-busy="false"] tfoot').waitFor();
    const workspace = new URLSearchParams(page.url().split('?')[1]).get('workspace') ?? '';
    const { total } = await ask(`${range}&workspace=${workspace}`);
    expect((await page.locator('main .big').getAttribute('title'))?.replaceAll(',', '')).toBe(total);
    await page.reload();
    await page.getByText('Production').first().waitFor();
  });

  test('gives the same as a file, and as a command', async () => {
    const page = await show(`report=costs&${range}&group_by=day,model`);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'CSV' }).click(),
    ]);
    const rows = z
      .array(z.object({ amount: z.string() }))
      .parse(parse(readFileSync(await download.path()), { columns: true }));
    const { total } = await ask(range);
    expect(sum(...rows.map(({ amount }) => amount))).toBe(total);
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    const command = await page.getByRole('dialog').locator('pre').textContent();
    expect(command).toContain(`${here.url}/v1/costs?${range}&group_by=day,model`);
    expect(command).not.toContain(here.token);
  });

  test('says what the API says about an address that asks for nothing that there is', async () => {
    const { page } = opened;
    await page.goto(`/#/explore?report=costs&${range}&group_by=moon`);
    await page.getByRole('alert').first().waitFor();
    expect(await page.getByRole('alert').first().textContent()).toContain('group_by');
    await page.goto(`/#/explore?report=costs&${range}&group_by=model&model=none-of-this-name`);
    await page
      .getByText(/nothing/i)
      .first()
      .waitFor();
    expect(opened.errors.filter((error) => !error.includes('400'))).toEqual([]);
    expect(opened.elsewhere()).toEqual([]);
  });
});
