import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createLink } from '../../db/sessions/links.ts';
import { describeInBrowser, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

describeInBrowser('the first use of the console', () => {
  let here: ConsoleWorld;
  let opened: Opened;
  beforeAll(async () => {
    here = await startConsoleWorld();
    opened = await here.open();
  });
  afterAll(() => here.close());

  test('begins with a link that works once and leaves no trace in the address or the history', async () => {
    const { page } = opened;
    const link = await createLink(here.world.database.db, 'command');
    await page.goto(`/#/enter/${link}`);
    await page.getByRole('heading', { name: 'Welcome to Meterline' }).waitFor();
    expect(page.url()).toBe(`${here.url}/#/overview`);
    await page.goBack();
    expect(page.url()).not.toContain(link);

    const other = await here.open();
    await other.page.goto(`/#/enter/${link}`);
    const alert = other.page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toContain('npm run link');
    expect(other.page.url()).not.toContain(link);
    await other.context.close();
  });

  test('lets whoever is in already go on, also after a link that is used up', async () => {
    const other = await here.openAs();
    await other.page.goto('/#/enter/meterline-link_used-up');
    await other.page.getByText('This did not let you in.').waitFor();
    await other.page.getByRole('button', { name: 'Go on as bootstrap' }).click();
    await other.page.getByRole('navigation', { name: 'Main' }).waitFor();
    await other.context.close();
  });

  test('tells a browser that keeps no cookies why nobody is in', async () => {
    const other = await here.open();
    // As the API answers whoever sends no cookie.
    await other.page.route('**/v1/session', (route) =>
      route.request().method() === 'GET' ? route.fulfill({ status: 401, body: '{}' }) : route.continue(),
    );
    await other.page.goto('/');
    await other.page.getByLabel('Or paste a token').fill(here.token);
    await other.page.getByRole('button', { name: 'Enter' }).click();
    await other.page.getByText('This browser did not keep the session.').waitFor();
    await other.context.close();
  });

  test('tells a key that is no Admin key before anything is sent', async () => {
    const { page, requests } = opened;
    await page.goto('/#/connect');
    await page.getByLabel('Name, for you').fill('Acme');
    await page.getByLabel('Admin key').fill('sk-ant-api03-this-is-a-workspace-key-and-no-admin-key');
    await page.getByRole('button', { name: /^Connect and read/ }).click();
    await page.getByText('This is a workspace key.').waitFor();
    expect(requests.filter((address) => address.endsWith('/v1/connections'))).toEqual([]);
  });

  test('says there and then what to do about a key that Anthropic rejects, and keeps what else was typed', async () => {
    const { page } = opened;
    await page.getByLabel('Admin key').fill(`sk-ant-admin01-${'x'.repeat(40)}`);
    await page.getByRole('button', { name: /^Connect and read/ }).click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toContain('Create a new Admin API key in the Claude Console');
    await page.getByText('paste the right one and send it again').waitFor();
    expect(await page.getByLabel('Name, for you').inputValue()).toBe('Acme');
    expect(await page.getByLabel('Admin key').inputValue()).toBe('');
  });

  test('goes from a good key to its verdict, its days and the first numbers, by itself', async () => {
    const { page, errors } = opened;
    await page.getByLabel('Admin key').fill(here.world.key);
    await page.getByRole('button', { name: /^Connect and read/ }).click();
    await page.getByText(/^It is .*’s key\.$/).waitFor();
    await page.getByText('31 days are here').waitFor();
    const total = await here.send('GET', '/v1/costs?group_by=day');
    const { total: exact } = z.object({ total: z.string() }).parse(total.body);
    await page.getByTitle(`${exact} USD`).waitFor();

    await page.getByRole('link', { name: 'See the overview' }).click();
    await page.getByText('Month to date').waitFor();
    expect(errors.filter((error) => !/40[19]|422/.test(error))).toEqual([]);
  });

  test('leaves the key nowhere in the browser: not in the page, its storage, its history or its addresses', async () => {
    const { page, context, requests, elsewhere } = opened;
    const kept = String(
      await page.evaluate(`JSON.stringify([
        document.documentElement.outerHTML,
        [...document.querySelectorAll('input')].map(({ value }) => value),
        { ...localStorage }, { ...sessionStorage }, history.state, location.href,
      ])`),
    );
    const cookies = JSON.stringify(await context.cookies());
    for (const place of [kept, cookies, requests.join()]) {
      expect(place).not.toContain(here.world.key);
      expect(place).not.toContain(here.token);
    }
    expect(await context.cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);
    expect(elsewhere()).toEqual([]);
  });
});
