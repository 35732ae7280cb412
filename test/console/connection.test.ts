import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../support/wait.ts';
import { describeInBrowser, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

const connection = z.object({ id: z.string(), status: z.string(), key: z.object({ hint: z.string() }).nullable() });

describeInBrowser('a connection in the console', () => {
  let here: ConsoleWorld;
  let opened: Opened;
  let id: string;
  const now = async (): Promise<z.output<typeof connection>> =>
    connection.parse((await here.send('GET', `/v1/connections/${id}`)).body);
  beforeAll(async () => {
    here = await startConsoleWorld();
    id = connection.parse(
      (await here.send('POST', '/v1/connections', { name: 'Acme', admin_api_key: here.world.key })).body,
    ).id;
    await until('the connection to be active', async () => (await now()).status === 'active');
    opened = await here.openAs();
    await opened.page.goto(`/#/connections/${id}`);
  });
  afterAll(() => here.close());

  test('has a calendar of every day, and each leads to what happened to it', async () => {
    const { page } = opened;
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    await page.locator(`a[href$="/days/${yesterday}"]`).first().click();
    await page.waitForURL(`**/days/${yesterday}`);
    const { total } = z
      .object({ total: z.string() })
      .parse((await here.send('GET', `/v1/costs?connection_id=${id}&from=${yesterday}&to=${yesterday}`)).body);
    await page
      .getByText(total.split('.')[0]?.replace(/\B(?=(\d{3})+$)/g, ',') ?? '')
      .first()
      .waitFor();
    await page.goBack();
  });

  test('gets another key: a key that Anthropic rejects changes nothing, a good one becomes active', async () => {
    const { page } = opened;
    const before = (await now()).key?.hint;
    await page.getByRole('button', { name: 'Rotate the key' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('New Admin key').fill(`sk-ant-admin01-${'y'.repeat(40)}`);
    await dialog.getByRole('button', { name: 'Send the new key' }).click();
    await dialog.getByText('the connection goes on with the key that it has').waitFor();
    expect((await now()).key?.hint).toBe(before);

    const { key } = here.world.simulator.control.addKey({});
    await dialog.getByLabel('New Admin key').fill(key);
    await dialog.getByRole('button', { name: 'Send the new key' }).click();
    await dialog.getByText(`The key that ends in ${key.slice(-4)} is active.`).waitFor();
    expect((await now()).key?.hint).toBe(key.slice(-4));
    await dialog.getByRole('button', { name: 'Close' }).click();
    expect(await page.content()).not.toContain(key);

    await page.getByRole('button', { name: 'Rotate the key' }).click();
    await dialog.getByLabel('New Admin key').fill(key);
    await dialog.getByRole('button', { name: 'Send the new key' }).click();
    await dialog.getByText('This is the key that it has already. Nothing is rotated.').waitFor();
    expect(await dialog.innerText()).not.toContain('destroys the old one');
    await dialog.getByRole('button', { name: 'Close' }).click();
  });

  test('pauses and resumes', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    await until('the connection to be paused', async () => (await now()).status === 'paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await until('the connection to be active', async () => (await now()).status === 'active');
  });

  test('leads to its workflow in Temporal’s UI', async () => {
    const link = opened.page.getByRole('link', { name: 'Its workflow in Temporal' });
    expect(await link.getAttribute('href')).toBe(`http://127.0.0.1:8233/namespaces/default/workflows/connection-${id}`);
  });

  test('ends only after its name is typed', async () => {
    const { page } = opened;
    await page.getByRole('button', { name: 'Disconnect', exact: true }).click();
    const dialog = page.getByRole('dialog');
    const end = dialog.getByRole('button', { name: 'Disconnect', exact: true });
    await dialog.getByLabel('To confirm').fill('Acm');
    expect(await end.isDisabled()).toBe(true);
    await dialog.getByLabel('To confirm').fill('Acme');
    await end.click();
    await until('the connection to be disconnected', async () => (await now()).status === 'disconnected');
    await page.getByText('It is disconnected.').first().waitFor();
    expect(opened.errors.filter((error) => !error.includes('422'))).toEqual([]);
  });
});
