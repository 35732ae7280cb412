import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sum } from '../../console/format/decimal.ts';
import { until } from '../support/wait.ts';
import { DARK, NARROW, describeInBrowser, violationsOf, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

/** The month so many months before this one, and a day of it. */
function monthsAgo(months: number, day = 1): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, day)).toISOString().slice(0, 10);
}
const monthOf = (day: string): string => day.slice(0, 7);
const longMonth = (month: string): string =>
  new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${month}-01`));

const row = z.object({
  cost_center: z.string().nullable(),
  direct: z.string(),
  shared: z.string(),
  adjustment: z.string(),
  amount: z.string(),
});
const reply = z.object({
  data: z.array(row),
  total: z.string(),
  total_adjustment: z.string(),
  unallocated: z.object({ amount: z.string() }),
});

describeInBrowser('chargeback in the console', () => {
  // History begins on the second day of a month, so that its first day is covered by nothing.
  const [first, second, third] = [monthOf(monthsAgo(3)), monthOf(monthsAgo(2)), monthOf(monthsAgo(1))];
  let here: ConsoleWorld;
  let id: string;
  let opened: Opened;
  let page: Page;
  beforeAll(async () => {
    here = await startConsoleWorld();
    const days = Math.floor((Date.now() - Date.parse(monthsAgo(3, 2))) / 86_400_000) + 1;
    const body = { name: 'Acme', admin_api_key: here.world.key, backfill_days: days };
    ({ id } = z.object({ id: z.string() }).parse((await here.send('POST', '/v1/connections', body)).body));
    await until('the days to be read', () => has(`/v1/connections/${id}`, '"status":"active"'));
    opened = await here.openAs();
    ({ page } = opened);
  });
  afterAll(() => here.close());

  async function has(path: string, words: string): Promise<boolean> {
    return JSON.stringify((await here.send('GET', path)).body).includes(words);
  }
  async function monthIn(month: string): Promise<z.output<typeof reply>> {
    return reply.parse((await here.send('GET', `/v1/chargeback/${month}?group_by=cost_center`)).body);
  }
  async function show(place: string, of: Page = page): Promise<void> {
    await of.goto(`/#/chargeback/${place}`);
    await of.getByRole('navigation', { name: 'Parts of chargeback' }).waitFor();
    await of.waitForLoadState('networkidle');
    await of
      .getByText(/^Loading /)
      .first()
      .waitFor({ state: 'detached' });
  }
  const exactOf = (cells: Locator): Promise<string[]> =>
    cells.evaluateAll((all) =>
      all.map((cell: { getAttribute(name: string): string | null }) => String(cell.getAttribute('data-exact'))),
    );
  /** The exact amounts of a row of a table: of a cost center, or of the total. */
  const amountsOf = (table: string, name: string): Promise<string[]> =>
    exactOf(
      page
        .getByRole('region', { name: table })
        .getByRole('row')
        .filter({ has: page.getByRole('rowheader', { name, exact: true }) })
        .locator('td[data-exact]'),
    );
  /** Waits for the preview of the rules as they are on the page. */
  async function previewed(name: string, after: RegExp): Promise<string[]> {
    let amounts: string[] = [];
    await until(`the preview of ${name}`, async () => {
      if ((await page.locator('.preview[aria-busy="false"]').count()) === 0) return false;
      amounts = await amountsOf('Before and after', name);
      return after.test(amounts[1] ?? '');
    });
    return amounts;
  }
  const save = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Save the rules' }).click();
    await page.getByText(/^Saved as version /).waitFor();
  };

  test('begins with a rule by tag, says what it changes, and shows the month as the API has it, to the last digit', async () => {
    await show(`${first}/rules`);
    await page.getByRole('button', { name: 'By tag team', exact: true }).click();
    const [before, after] = await previewed('platform', /[1-9]/);
    expect(before).toBe('0');
    await save();
    await page.getByRole('link', { name: /^See .* by these rules$/ }).click();
    await page.getByRole('heading', { name: 'Who owes what' }).waitFor();
    const { data, total, unallocated } = await monthIn(first);
    for (const { cost_center: center, direct, shared, adjustment, amount } of data) {
      const cells = await amountsOf('Amounts by group', center ?? 'Nobody');
      expect([center, ...cells]).toEqual([center, amount, direct, shared, adjustment]);
    }
    expect(data.find(({ cost_center: center }) => center === 'platform')?.amount).toBe(after);
    expect(sum(...data.map(({ amount }) => amount))).toBe(total);
    expect(await exactOf(page.locator('.figures [data-exact]'))).toEqual([total, unallocated.amount]);
    await page.getByText('1 is not covered').waitFor();
  });

  test('leads from what belongs to nobody to a rule for it, and from a cost center to its lines and why', async () => {
    await show(first);
    await page
      .getByRole('link', { name: /^Make a rule for Default workspace/ })
      .first()
      .click();
    await page.getByText(/Workspace is Default workspace, and/).waitFor();
    await page.locator('[data-at="target"]:focus').waitFor();
    await page.keyboard.type('Platform');
    const [, after] = await previewed('Platform', /[1-9]/);
    await page.getByRole('button', { name: 'Move the rule Platform up' }).press('Enter');
    await page.getByText('The rule Platform is now 1 of 2.').waitFor({ state: 'attached' });
    await save();
    await show(first);
    expect((await amountsOf('Amounts by group', 'Platform'))[0]).toBe(after);
    await page.getByRole('link', { name: 'Platform', exact: true }).click();
    await page.getByRole('heading', { name: 'The lines of Platform' }).waitFor();
    await page.getByText('Rule 1: Platform').first().waitFor();
    await page.goBack();
    await page.getByLabel('Split further by').selectOption('model');
    await page.waitForURL(/group_by=cost_center,model/);
    await page.getByRole('columnheader', { name: 'Model' }).waitFor();
  });

  test('shows a fault at the pool that has it, keeps the form and its JSON the same, and saves nothing of it', async () => {
    await show(`${first}/rules`);
    await page.getByRole('button', { name: 'Add a pool' }).click();
    await page.getByLabel('It is split').selectOption('fixed');
    await page.getByLabel('Cost center, or pool that comes later').fill('Platform');
    await page.getByLabel('Share of Platform in percent').fill('60');
    const pool = page.locator('.item', { hasText: 'In fixed shares' });
    await pool.getByText('The shares must add up to 100, and add up to 60.').waitFor();
    expect(await page.locator('.item.wrong').count()).toBe(1);
    await page.getByLabel('Share of Platform in percent').fill('100');
    await pool.getByText('Look again: The pool "Shared" stays empty: no rule and no pool leads to it.').waitFor();
    await page.getByRole('button', { name: 'JSON' }).click();
    const field = page.getByLabel('The document, as PUT /v1/allocation takes it');
    const text = await field.inputValue();
    expect(JSON.parse(text)).toMatchObject({ pools: [{ name: 'Shared', split: { fixed: { Platform: '100' } } }] });
    await field.fill(text.slice(1));
    await page.getByText('This is not JSON yet.').waitFor();
    await page.getByRole('button', { name: 'Discard changes' }).click();
    expect(JSON.parse(await field.inputValue())).toMatchObject({ pools: [] });
    expect((await here.send('GET', '/v1/allocation/versions')).body).toMatchObject({ data: [{ version: 2 }, {}] });
  });

  /** Closes a month on its page, and waits until it is. */
  async function close(month: string, button: string): Promise<void> {
    await page.getByRole('button', { name: button }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/stays so\. Later changes of rules/).waitFor();
    await dialog.getByRole('button', { name: `Close ${longMonth(month)}` }).click();
    await page.getByRole('heading', { name: `${longMonth(month)} is closed` }).waitFor();
    await page.locator('main:focus').waitFor();
  }

  test('names the days that are in the way of closing, and closes all the same for a reason', async () => {
    await show(`${monthOf(monthsAgo(0))}/close`);
    await page.getByText('The month is not over yet.').waitFor();
    await show(`${first}/close`);
    await page.getByText('One day is not certain yet.').waitFor();
    const link = page.getByRole('link', { name: /^See the day/ });
    expect(await link.getAttribute('href')).toBe(`#/connections/${id}/days/${first}-01`);
    const button = page.getByRole('button', { name: 'Close it all the same …' });
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel(/^Why it is closed/).fill('Nothing ran on the first.');
    const { total } = await monthIn(first);
    await page.getByLabel(/invoice says/).fill(sum(total, '12.5'));
    await close(first, 'Close it all the same …');
    for (const words of ['+$12.50 against the bill', 'Nothing ran on the first.', '1 was not covered']) {
      await page.getByText(words).first().waitFor();
    }
  });

  test('carries a correction of a closed month into the next one, and the closed one stays', async () => {
    const before = await monthIn(first);
    const day = `${first}-10`;
    here.world.simulator.control.restate({ day, kind: 'scale', factor: '1.5' });
    await here.send('POST', `/v1/connections/${id}/sync`, { from: day, to: day });
    await until('the correction to be found', () => has(`/v1/connections/${id}/restatements`, day));
    expect(await monthIn(first)).toEqual(before);
    const { total, total_adjustment: adjustment, unallocated } = await monthIn(second);
    expect(adjustment).toMatch(/^\d+\.\d+$/);
    await show(second);
    await page.getByText('corrections of closed months').waitFor();
    expect(await exactOf(page.locator('.figures [data-exact]'))).toEqual([total, adjustment, unallocated.amount]);
    expect((await amountsOf('Amounts by group', 'Total')).at(-1)).toBe(adjustment);
  });

  test('reopens only the last closed month, for a reason, and keeps what it was as a revision', async () => {
    await show(`${second}/close`);
    await page.getByText('Nothing is in the way.').waitFor();
    await close(second, 'Close the month …');
    await show(`${first}/close`);
    await page.getByText('It cannot be reopened').waitFor();
    await show(`${second}/close`);
    await page.getByRole('button', { name: 'Reopen the month …' }).click();
    await page.getByLabel('Why it is reopened').fill('A team moved.');
    await page.getByRole('button', { name: `Reopen ${longMonth(second)}` }).click();
    await page.getByText('Nothing is in the way.').waitFor();
    await page.getByText(/A team moved\./).waitFor();
    await page.getByRole('link', { name: '1 as it was' }).click();
    await page.getByText('This is revision 1, which no longer counts.').waitFor();
  });

  test('lets a viewer read all of it and change nothing', async () => {
    const made = await here.send('POST', '/v1/tokens', { name: 'reader', role: 'viewer' });
    const viewer = await here.openAs(z.object({ token: z.string() }).parse(made.body).token);
    const words: string[] = [];
    for (const place of [second, `${second}/rules`, `${second}/close`, `${first}/close`]) {
      await show(place, viewer.page);
      words.push(...(await viewer.page.locator('main :is(button, input, textarea), main a.button').allTextContents()));
    }
    expect([...new Set(words)].sort()).toEqual(['CSV', 'Journal as CSV', 'Lines as CSV']);
    await viewer.page.getByText('by bootstrap').first().waitFor();
    expect(viewer.errors).toEqual([]);
    await viewer.context.close();
  });

  describe.each([
    ['in the light', {}],
    ['in the dark', DARK],
    ['on a small screen', NARROW],
  ])('%s', (_, options) => {
    test('nothing keeps people out, and no page is wider than the screen', async () => {
      const other = await here.openAs(here.token, options);
      const check = async (place: string): Promise<void> => {
        expect([place, await violationsOf(other.page)]).toEqual([place, []]);
        const excess = await other.page.evaluate('document.documentElement.scrollWidth - innerWidth');
        expect([place, excess]).toEqual([place, 0]);
      };
      for (const place of [
        `${third}?group_by=cost_center,workspace`,
        `${third}/lines`,
        `${third}/rules`,
        `${first}/close`,
      ]) {
        await show(place, other.page);
        await check(place);
      }
      await show(`${third}/rules`, other.page);
      const edit = other.page.getByRole('button', { name: /^Edit/ });
      while ((await edit.count()) > 0) await edit.first().click();
      await other.page.getByRole('button', { name: 'Add a pool' }).click();
      await check('rules with every form open');
      expect(other.errors).toEqual([]);
      expect(other.elsewhere()).toEqual([]);
      await other.context.close();
    });
  });
});
