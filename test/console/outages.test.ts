import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInBrowser, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

describeInBrowser('the console in an outage', () => {
  let here: ConsoleWorld;
  let opened: Opened;
  beforeAll(async () => {
    here = await startConsoleWorld();
    await here.send('POST', '/v1/connections', { name: 'Acme', admin_api_key: here.world.key });
    opened = await here.openAs();
  });
  afterAll(() => here.close());

  test('of the API says that nothing answers, and heals by itself', async () => {
    const { page } = opened;
    await page.goto('/');
    await page.getByText('Month to date').waitFor();
    await here.stopApi();
    await page.getByRole('link', { name: 'Connections', exact: false }).first().click();
    await page.getByText('Meterline does not answer.').first().waitFor();
    await here.startApi();
    await page.getByRole('link', { name: 'Acme' }).waitFor();
  });

  test('of Postgres says so, and heals by itself', async () => {
    const { page } = opened;
    await here.cutPostgres();
    await page.goto('/#/explore');
    await page.getByRole('alert').first().waitFor();
    expect(await page.getByRole('alert').first().textContent()).toMatch(/Postgres|database/i);
    await here.restorePostgres();
    await page.getByRole('heading', { name: 'Groups' }).waitFor();
    await page.getByRole('alert').first().waitFor({ state: 'detached' });
  });

  test('of all workers still shows every number, and says that a key waits for its verdict', async () => {
    const { page } = opened;
    await here.world.stopWorker();
    await page.goto('/#/overview');
    await page.getByText('Month to date').waitFor();
    const { control } = here.world.simulator;
    const { key } = control.addKey({ organization: control.addOrganization({ name: 'Another' }).id });
    await page.goto('/#/connect');
    await page.getByLabel('Name, for you').fill('Another');
    await page.getByLabel('Admin key').fill(key);
    await page.getByRole('button', { name: /^Connect and read/ }).click();
    await page.getByText('There is no verdict on the key yet.').waitFor();
    await here.world.startWorker();
    await page.getByText('It is Another’s key.').waitFor();
    await page.getByText('31 days are here').waitFor();
  });

  test('is no reason to lose a session, and the end of a session is told and returns to the same page', async () => {
    const { page, context } = opened;
    await page.goto('/#/explore?report=costs&group_by=workspace');
    await page.getByRole('heading', { name: 'Groups' }).waitFor();
    await context.clearCookies();
    await page.getByRole('button', { name: 'Lines' }).click();
    await page.getByText('Your session is over.').waitFor();
    await page.getByLabel('Or paste a token').fill(here.token);
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.getByRole('heading', { name: 'Lines' }).waitFor();
    expect(page.url()).toContain('group_by=workspace');
  });
});
