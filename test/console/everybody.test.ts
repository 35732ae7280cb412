import { sql } from 'drizzle-orm';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../support/wait.ts';
import { DARK, NARROW, describeInBrowser, violationsOf, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

const HOSTILE = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>'"&`;

describeInBrowser('the console for everybody', () => {
  let here: ConsoleWorld;
  let id: string;
  const places = (): string[] => [
    '#/overview',
    '#/explore',
    '#/explore?report=changes&group_by=workspace,model&compare=previous',
    '#/explore?report=unit-costs&group_by=model',
    '#/explore?report=usage&group_by=day,model&view=days',
    '#/explore?report=costs&group_by=day,workspace,token_type&view=lines',
    '#/explore?report=costs&group_by=moon',
    '#/connections',
    `#/connections/${id}`,
    `#/connections/${id}/days/${new Date().toISOString().slice(0, 10)}`,
    '#/connect',
    '#/settings',
  ];
  beforeAll(async () => {
    here = await startConsoleWorld();
    const { control } = here.world.simulator;
    control.changeWorkspace({ workspace: 'Research', name: HOSTILE, tags: { team: HOSTILE } });
    const made = await here.send('POST', '/v1/connections', { name: HOSTILE, admin_api_key: here.world.key });
    ({ id } = z.object({ id: z.string() }).parse(made.body));
    const { db } = here.world.database;
    await until('the days to be read', async () => {
      const { body } = await here.send('GET', `/v1/connections/${id}`);
      return z.object({ status: z.string() }).parse(body).status === 'active';
    });
    await db.execute(sql`update cost_series set description = ${HOSTILE} where model is null`);
  });
  afterAll(() => here.close());

  /** The page once all that it asks for is there. */
  async function shown({ page }: Opened, place: string): Promise<Page> {
    await page.goto(`/${place}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForLoadState('networkidle');
    await page
      .getByText(/^Loading /)
      .first()
      .waitFor({ state: 'detached' });
    return page;
  }

  describe.each([
    ['in the light', {}],
    ['in the dark', DARK],
    ['on a small screen', NARROW],
    ['at twice the size', { viewport: { width: 640, height: 480 }, deviceScaleFactor: 2 }],
  ])('%s', (_, options) => {
    test('has nothing that keeps people out, no name that acts as code, and no page wider than the screen', async () => {
      const opened = await here.openAs(here.token, options);
      for (const place of places()) {
        const page = await shown(opened, place);
        expect([place, await violationsOf(page)]).toEqual([place, []]);
        expect([place, await page.title()]).toEqual([place, expect.stringMatching(/ · Meterline$/)]);
        const excess = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        expect([place, excess]).toEqual([place, 0]);
      }
      expect(opened.errors.filter((error) => !error.includes('400'))).toEqual([]);
      expect(opened.elsewhere()).toEqual([]);
      await opened.context.close();
    });
  });

  test('shows hostile names as they are', async () => {
    const opened = await here.openAs();
    const page = await shown(opened, '#/explore?report=costs&group_by=workspace');
    await page.getByText(HOSTILE).first().waitFor();
    await opened.context.close();
  });

  test('needs no mouse: Tab and the arrow keys lead from the link to skip to a day and its lines', async () => {
    const opened = await here.openAs();
    const page = await shown(opened, '#/overview');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN');
    await until('a bar to have the focus', async () => {
      await page.keyboard.press('Tab');
      return (await page.evaluate('document.activeElement.hasAttribute("data-bar")')) === true;
    });
    const from = await page.evaluate('document.activeElement.getAttribute("data-bar")');
    await page.keyboard.press('ArrowLeft');
    const to = z.string().parse(await page.evaluate('document.activeElement.getAttribute("data-bar")'));
    // On the first day of a month there is no bar before today's.
    const isFirst = from === (await page.locator('[data-bar]').first().getAttribute('data-bar'));
    expect(isFirst ? to === from : to < String(from)).toBe(true);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/#/explore?*from=${to}&to=${to}*`);
    await opened.context.close();
  });
});
